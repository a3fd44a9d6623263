"""What came of a simulation, as figures: latencies, promises kept, GPU-hours; by model and for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.simulate.calls import Calls, Column, Fate, Limits
from cluster.simulate.pool import Pool
from cluster.simulate.run import Simulation

_HOUR_S = 3600.0
_PERCENTILES = (50, 95, 99)
COLUMNS = ("requests", "TTFT p50", "p95", "p99", "TPOT p50", "p95", "in SLO", "replicas", "GPU-hours", "USD")
"""What :meth:`Figures.row` tells."""


@dataclass(frozen=True, slots=True)
class Times:
    """What requests took, in seconds; NaN for those that were not answered."""

    arrival_s: Column
    ttft_s: Column
    tpot_s: Column
    """NaN for answers of one token, too."""
    e2e_s: Column
    fate: NDArray[np.int8]
    pool: NDArray[np.int64]
    in_slo: NDArray[np.bool_]
    """Answered, with every promised latency."""

    @classmethod
    def of(cls, simulation: Simulation) -> Times:
        """Of all requests; what a request takes besides its engine's steps is added."""
        calls = simulation.calls
        arrival, first, end = (np.array(column) for column in (calls.arrival, calls.first, calls.end))
        fate, pool = np.array(calls.fate, np.int8), np.array(calls.pool)
        besides = np.array([each.pace.request_s for each in simulation.pools])[pool]
        answered = fate == Fate.ANSWERED
        first, end = (np.where(answered, column, np.nan) for column in (first, end))
        ttft, e2e = first - arrival + besides, end - arrival + besides
        steps = np.array(calls.output) - 1.0
        tpot = (end - first) / np.where(steps > 0, steps, np.nan)
        limits = [pool.service.limits for pool in simulation.pools]
        return cls(arrival, ttft, tpot, e2e, fate, pool, answered & _within(limits, pool, ttft, tpot, e2e))


def _within(limits: list[Limits], pool: NDArray[np.int64], *seconds: Column) -> NDArray[np.bool_]:
    most = np.array([(each.ttft_s, each.tpot_s, each.e2e_s) for each in limits])[pool]
    late = np.zeros(len(pool), np.bool_)
    for at, column in enumerate(seconds):
        late |= column > most[:, at]  # NaN is not above: an answer of one token has no time per token to break
    return ~late


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one model, or of all of them together."""

    name: str
    requests: int
    answered: int
    broken: int
    ttft_s: dict[int, float]
    """Percentile → seconds."""
    tpot_s: dict[int, float]
    e2e_s: dict[int, float]
    in_slo: float
    """Share of the requests that were answered with every promised latency."""
    goodput: float
    """Those requests per second."""
    output_tokens_per_s: float
    replicas_mean: float
    replicas_max: int
    gpu_hours: float
    usd: float

    def flat(self) -> dict[str, float | int | str]:
        """Field → number, percentiles as ``ttft_p95_s``."""
        found: dict[str, float | int | str] = {}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, dict):
                found |= {f"{name[:-2]}_p{at}_s": seconds for at, seconds in value.items()}
            else:
                found[name] = value
        return found

    def row(self) -> list[str]:
        """For people: a cell for each of ``COLUMNS``."""
        return [
            f"{self.requests:,}",
            *(f"{self.ttft_s[at] * 1000:,.0f} ms" for at in _PERCENTILES),
            *(f"{self.tpot_s[at] * 1000:,.1f} ms" for at in _PERCENTILES[:2]),
            f"{self.in_slo:.2%}",
            f"{self.replicas_mean:.1f} (max {self.replicas_max})",
            f"{self.gpu_hours:,.1f}",
            f"{self.usd:,.2f}",
        ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that is reported."""

    models: tuple[Figures, ...]
    whole: Figures
    spilled: int
    refused: int
    seconds: float
    """Simulated."""


def outcome_of(simulation: Simulation, times: Times, usd_per_gpu_hour: list[float]) -> Outcome:
    """Figures; a price for each pool's GPUs."""
    calls, until = simulation.calls, max(simulation.until_s, 1e-9)
    models = tuple(
        _figures(pool.service.name, _Part(times, calls, times.pool == at, [pool], [usd_per_gpu_hour[at]], until))
        for at, pool in enumerate(simulation.pools)
    )
    whole = _figures("all", _Part(times, calls, times.pool >= 0, simulation.pools, usd_per_gpu_hour, until))
    spilled, refused = (int((times.fate == fate).sum()) for fate in (Fate.SPILLED, Fate.REFUSED))
    return Outcome(models, whole, spilled, refused, until)


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of the requests, and the replicas that answer them."""

    times: Times
    calls: Calls
    mask: NDArray[np.bool_]
    pools: list[Pool]
    prices: list[float]
    until: float


def _figures(name: str, part: _Part) -> Figures:
    times, mask, until = part.times, part.mask, part.until
    requests, good = int(mask.sum()), int(times.in_slo[mask].sum())
    answered = times.fate[mask] == Fate.ANSWERED
    hours = [pool.gpu_seconds(until) / _HOUR_S for pool in part.pools]
    return Figures(
        name=name,
        requests=requests,
        answered=int(answered.sum()),
        broken=int((times.fate[mask] == Fate.BROKEN).sum()),
        ttft_s=_percentiles(times.ttft_s[mask]),
        tpot_s=_percentiles(times.tpot_s[mask]),
        e2e_s=_percentiles(times.e2e_s[mask]),
        in_slo=good / requests if requests else 1.0,
        goodput=good / until,
        output_tokens_per_s=float(np.array(part.calls.output)[mask][answered].sum()) / until,
        replicas_mean=sum(pool.replica_seconds(until) for pool in part.pools) / until,
        replicas_max=sum(max((look.replicas for look in pool.looks), default=len(pool.ready)) for pool in part.pools),
        gpu_hours=sum(hours),
        usd=sum(hour * price for hour, price in zip(hours, part.prices, strict=True)),
    )


def _percentiles(seconds: Column) -> dict[int, float]:
    known = seconds[np.isfinite(seconds)]
    return {at: float(np.percentile(known, at)) if len(known) else 0.0 for at in _PERCENTILES}
