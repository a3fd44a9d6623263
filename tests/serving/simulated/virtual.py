"""Time that passes only when a test says so, and an answer that keeps what it was told."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any

import orjson

from serving.simulated import Ask, Engine, Simulation, Steady
from serving.simulated.answers import Answer


class VirtualClock:
    """Runs what is due, in its order, without waiting."""

    def __init__(self) -> None:
        """It is 0 o'clock."""
        self._now = 0.0
        self._order = count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []

    def now(self) -> float:
        """Seconds."""
        return self._now

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call then."""
        heapq.heappush(self._due, (when, next(self._order), call))

    def run(self, until: float = float("inf")) -> None:
        """Go on until a moment, or until nothing is left to do."""
        while self._due and self._due[0][0] <= until:
            when, _, call = heapq.heappop(self._due)
            self._now = max(self._now, when)
            call()
        self._now = max(self._now, until) if until < float("inf") else self._now


class Kept:
    """A reply in memory, with the time of each piece."""

    def __init__(self, clock: VirtualClock) -> None:
        """By ``clock``."""
        self._clock = clock
        self.status = 0
        self.pieces: list[tuple[float, bytes]] = []
        self.ended_at: float | None = None

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        """Keep it."""
        self.begin(content_type)
        self.status = status
        self.write(body)
        self.end()

    def begin(self, content_type: bytes) -> None:
        """Keep nothing but that it began."""
        self.status = 200 if content_type else 0

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.pieces.append((self._clock.now(), data))

    def end(self) -> None:
        """Keep when."""
        self.ended_at = self._clock.now()

    @property
    def times(self) -> list[float]:
        """When each piece came."""
        return [at for at, _ in self.pieces]

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever it is
        """A whole answer's content."""
        return orjson.loads(b"".join(data for _, data in self.pieces))

    @property
    def events(self) -> list[Any]:
        """A stream's events but the last, which is no JSON."""
        lines = b"".join(data for _, data in self.pieces).split(b"\n\n")
        assert lines[-2:] == [b"data: [DONE]", b""]
        return [orjson.loads(line.removeprefix(b"data: ")) for line in lines[:-2]]


class Bench:
    """An engine in virtual time."""

    def __init__(self, timing: Steady | None = None, **simulation: Any) -> None:  # noqa: ANN401 - of Simulation
        """Of ``Simulation`` with these fields."""
        self.clock = VirtualClock()
        self.engine = Engine(Simulation(timing=timing or Steady(), **simulation), self.clock)

    def ask(self, body: dict[str, Any], read: Callable[[bytes], Ask]) -> tuple[Answer, Kept]:
        """Submit a request now."""
        kept = Kept(self.clock)
        return self.engine.submit(read(orjson.dumps(body)), kept), kept

    def done(self, body: dict[str, Any], read: Callable[[bytes], Ask]) -> Kept:
        """Submit one and run to its end."""
        _, kept = self.ask(body, read)
        self.clock.run()
        return kept

    def metric(self, name: str, label: str = "") -> float:
        """One of vLLM's figures; of a histogram, its sum."""
        families = {family.name: family for family in self.engine.metrics.collect()}
        samples = [one for one in families[f"vllm:{name}"].samples if not one.name.endswith(("_bucket", "_count"))]
        [value] = [one.value for one in samples if not label or label in one.labels.values()]
        return float(value)
