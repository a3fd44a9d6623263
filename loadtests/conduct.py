"""One load test from its options to a :class:`~loadtests.facts.Run`: look, measure the generator, send, count."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from cluster.demand import read_trace
from cluster.errors import UsageError
from cluster.spec import Fleet, Slo
from loadtests.ceiling import measure
from loadtests.facts import Ceiling, Run, Sample
from loadtests.live import Live
from loadtests.order import Order, fitting
from loadtests.samples import SampleFile
from loadtests.sizing import sized
from loadtests.work import tenants


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says beside the fleet file."""

    url: str
    scenario: str = "chat"
    model: str = "auto"
    users: int | None = None
    rate: float | None = None
    trace: Path | None = None
    burst: bool = False
    duration_s: float = 120.0
    seed: int = 1
    key_envs: tuple[str, ...] = ()
    workers: int = 1
    bind: tuple[str, int] | None = None
    """Where workers join that run elsewhere; None starts them here."""
    web: bool = False
    ceiling: bool = True
    slo: dict[str, float] = field(default_factory=dict)
    """Promises that replace the fleet file's."""

    def order(self, fleet: Fleet) -> Order:
        """For the workers; raises UsageError for what does not go together."""
        given = [name for name in ("users", "rate", "trace") if getattr(self, name)]
        if len(given) != 1:
            msg = f"--users, --rate, --trace: exactly one says how much comes, not {' and '.join(given) or 'none'}"
            raise UsageError(msg)
        if self.burst and not self.rate:
            msg = "--burst goes with --rate; users come as they think, a trace comes as it was"
            raise UsageError(msg)
        if self.trace:
            read_trace(self.trace)
        tenants(self.key_envs)
        return Order(
            scenario=f"{self.scenario}-{self.users or ('burst' if self.burst else given[0])}",
            url=self.url,
            model=self.model,
            key_envs=self.key_envs,
            users=self.users,
            rate=self.rate,
            trace=self.trace,
            burst=self.burst,
            duration_s=self.duration_s,
            seed=self.seed,
            workers=min(self.workers, self.users or self.workers),
            **fitting(fleet, self.scenario),
        )


def promised(slo: Slo, overrides: dict[str, float]) -> Slo:
    """The fleet file's promises with those that replace them; UsageError for what is none."""
    unknown = sorted(overrides.keys() - Slo.model_fields.keys())
    if unknown:
        msg = f"--slo: there is no {unknown[0]}; it may be {', '.join(Slo.model_fields)}"
        raise UsageError(msg)
    try:
        return Slo.model_validate({**slo.model_dump(), **overrides})
    except ValueError as exc:
        msg = f"--slo: {exc}"
        raise UsageError(msg) from exc


class _Kept:
    """Samples on their way to the file, past those who watch."""

    def __init__(self, file: SampleFile, live: Live) -> None:
        self._file, self._live = file, live
        self.last_s = 0.0

    def saw(self, samples: Sequence[Sample], under_way: int) -> None:
        """Keep and show."""
        self._file.add(samples)
        self.last_s = max((self.last_s, *(sample.end_s for sample in samples)))
        self._live.saw(samples, under_way)


def conduct(asked: Asked, fleet: Fleet, file: Path, samples: Path) -> Run:
    """Send what was asked for, and write a sample of each request to ``samples``."""
    slo, order = promised(fleet.slo, asked.slo), sized(asked.order(fleet))
    from loadtests import swarm  # noqa: PLC0415 - here, because it makes the whole process cooperative

    swarm.prepare()
    ceiling: Ceiling | None = measure(swarm.gather) if asked.ceiling else None
    started = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
    with SampleFile(samples) as kept, Live(asked.duration_s) as live:
        watcher = _Kept(kept, live)
        cores = swarm.run(order, watcher, bind=asked.bind, web=asked.web)
    return Run(
        fleet=fleet.name,
        fleet_file=file,
        url=asked.url,
        scenario=order.scenario,
        users=asked.users,
        rate=asked.rate,
        trace=asked.trace,
        burst=asked.burst,
        seed=asked.seed,
        duration_s=asked.duration_s,
        elapsed_s=max(watcher.last_s, asked.duration_s),
        started=started,
        versions=versions(),
        slo=slo,
        samples=samples,
        count=kept.count,
        workers=order.workers,
        cores=cores,
        ceiling=ceiling,
    )


def versions() -> dict[str, str]:
    """Of what takes part on this side."""
    return {
        "freehold": version("freehold"),
        "locust": version("locust"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
