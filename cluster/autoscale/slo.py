"""The policy: as many replicas as the load of the near future needs at the promised latencies.

Load is counted in tokens, not requests, and sized by what a replica takes at its promises (:mod:`.capacity`), for the
highest load that is forecast until a replica started now would be ready, plus room for the noise that the forecast is
known to have. As far as load comes in bursts that no new replica would be in time for, :mod:`.bursts` says what stands
by instead. Queues that are there already add what works them off. A number that falls must have been enough for
a while before replicas drain; the last one leaves only when nothing came for longer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil, exp
from typing import NamedTuple

from cluster.autoscale.bursts import Bursts
from cluster.autoscale.capacity import Capacity
from cluster.autoscale.forecast import Forecast
from cluster.autoscale.lengths import Length
from cluster.autoscale.observed import Observed

_HALF = 2000.0
"""Requests after which half of their length is forgotten."""
_AIM = 0.65
"""Part of the permitted late answers that is aimed at; the rest is for mornings that nothing foretold."""
_LOW, _HIGH, _MOST = 0.6, 4.0, 8.0
"""Bounds of what is learned, and of one correction in units of the permitted late answers."""
_PATIENT = 0.25
"""What is learned for bursts goes so much slower: few of them make many late answers."""
_FULL = 0.95
"""Share of a KV cache above which a queue means that it is full."""


@dataclass(frozen=True, slots=True)
class SloPolicy:
    """Settings of the policy."""

    capacity: Capacity
    cold_start_s: float
    """From the decision to the first request of a new replica."""
    late_share: float = 0.01
    """Share of requests that may break a promise."""
    deviations: float = 1
    """Standard deviations of a minute's load that have room."""
    slack: float = 0.15
    """Part of a replica that may be missing before one more is started."""
    hold_s: float = 120
    """A number must have been enough for so long before replicas drain; at least the cold start."""
    idle_s: float = 300
    """Without a request for so long, the last replica leaves, where none may run."""
    catch_up_s: float = 60
    """A queue should be worked off within so many seconds."""
    learn_s: float = 300
    """Seconds between two corrections of the room by late answers."""
    gain: float = 0.02
    """What a correction adds for each time that ``late_share`` was exceeded once more, and what it takes when nothing
    was late; 0: nothing is learned."""


class Need(NamedTuple):
    """What a wish is made of, in replicas; as text it is the reason that people read."""

    forecast: float = 0.0
    """For the highest load that is expected until a replica started now would be ready."""
    noise: float = 0.0
    queue: float = 0.0
    bursts: float = 0.0
    """How far ``held`` counts instead of ``forecast`` and ``noise``, 0 to 1."""
    held: int = 0
    """For bursts such as there were of late."""
    pressed: bool = False
    """A KV cache is full, and requests wait."""
    idle: bool = False

    def __str__(self) -> str:
        """Without the noughts."""
        if self.idle:
            return "no request for a while"
        parts = [f"{self.forecast:.2f} replicas of load forecast", f"{self.noise:.2f} for its noise"]
        parts += [f"as far as {self.bursts:.0%} {self.held} held for bursts instead"] if self.bursts else []
        parts += [f"{self.queue:.2f} for the queue"] if self.queue else []
        parts += ["a KV cache is full"] if self.pressed else []
        return ", ".join(parts)

    @property
    def followed_or_held(self) -> float:
        """For the load that is to come; one that is held for bursts has room for noise in it."""
        return (1 - self.bursts) * (self.forecast + self.noise) + self.bursts * self.held


@dataclass(slots=True)
class SloScaler:
    """The policy with what it has seen."""

    policy: SloPolicy
    forecast: Forecast = field(default_factory=Forecast)
    bursts: Bursts = field(init=False)
    factor: float = 1.0
    """Replicas that are needed for each that the model of capacity asks for."""
    burst_factor: float = 1.0
    """The same for bursts."""
    need: Need = field(default_factory=Need)
    """Of the latest look; what is decided may be more, because it was needed a while ago."""
    _last: Observed | None = None
    _busy_s: float = 0.0
    _learned_s: float = 0.0
    _wishes: deque[tuple[float, int]] = field(default_factory=deque)
    _output: Length = field(init=False)
    _late: float = 0.0
    _ended: float = 0.0

    def __post_init__(self) -> None:
        """Expect what the policy expects."""
        self._output = Length(self.policy.capacity.mean_output, _HALF)
        self.bursts = Bursts(self.policy.capacity, _AIM * self.policy.late_share)

    def decide(self, seen: Observed) -> int:
        """How many replicas there should be."""
        if self._last is None:  # nothing is known yet that would speak against those that are there
            self._busy_s = self._learned_s = seen.now_s
            self._last = seen
            self._wishes.append((seen.now_s, seen.ready + seen.starting))
            return seen.ready + seen.starting
        passed, self._last = seen.now_s - self._last.now_s, seen
        self._output.add(seen.output_tokens, seen.ended)
        self._learn_room(seen)
        load = self.policy.capacity.load(seen.prompt_tokens, seen.arrived * self._output.now)
        self.forecast.add(load * self.factor, passed)
        self.bursts.add(seen, passed, self.burst_factor)
        if seen.arrived or seen.in_flight:
            self._busy_s = seen.now_s
        return self._held(self._wish(seen), seen.now_s)

    def _learn_room(self, seen: Observed) -> None:
        """Late answers mean that replicas take less of this mix than the model says; none, that they take more."""
        self._late += seen.late
        self._ended += seen.ended
        policy = self.policy
        if seen.now_s - self._learned_s < policy.learn_s or self._ended * policy.late_share < 1:
            return
        excess = min(_MOST, self._late / self._ended / (_AIM * policy.late_share) - 1)
        share = self.bursts.share
        self.factor = _corrected(self.factor, policy.gain * (1 - share) * excess)
        self.burst_factor = _corrected(self.burst_factor, policy.gain * share * _PATIENT * excess)
        self._late = self._ended = 0.0
        self._learned_s = seen.now_s

    def _wish(self, seen: Observed) -> int:
        policy = self.policy
        if seen.now_s - self._busy_s >= policy.idle_s:
            self.need = Need(idle=True)
            return 0
        self.need = Need(
            self.forecast.highest(policy.cold_start_s),
            policy.deviations * self.forecast.deviation,
            seen.waiting * policy.capacity.request_s / policy.catch_up_s,
            self.bursts.share,
            self.bursts.held,
            seen.kv_share > _FULL and seen.waiting > 0,
        )
        wish = ceil(self.need.followed_or_held + self.need.queue - policy.slack)
        return max(seen.ready + 1 if self.need.pressed else 1, wish)

    def _held(self, wish: int, now: float) -> int:
        """The highest wish of late; none drops to zero without a while of silence, which ``_wish`` has seen."""
        self._wishes.append((now, wish))
        hold = max(self.policy.hold_s, self.policy.cold_start_s)
        while self._wishes[0][0] < now - hold:
            self._wishes.popleft()
        return max(number for _, number in self._wishes) if wish else 0


def _corrected(factor: float, by: float) -> float:
    return min(max(factor * exp(by), _LOW), _HIGH)
