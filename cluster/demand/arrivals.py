"""Seeded arrivals: a Poisson process that follows the week's rates, or a trace as it was.

The same demand, hours and seed give the same arrivals. Within an hour the rate moves in a line from the middle of one
hour to the middle of the next, so that nothing jumps at the full hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.demand.lengths import Counts, Floats, Requests
from cluster.demand.trace import Trace
from cluster.demand.week import HOURS, Demand
from cluster.errors import UsageError

MAX_ARRIVALS: Final = 50_000_000
"""About 2 GB of arrays."""
_SLOT_S: Final = 60.0
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Requests in the order in which they come."""

    arrival_s: Floats
    """Seconds since the start, ascending."""
    prompt_tokens: Counts
    output_tokens: Counts
    cached_tokens: Counts
    """Prompt tokens that the prefix cache holds, always less than the prompt."""
    tier: NDArray[np.int8]
    """Which of ``tiers`` the router chooses."""
    tiers: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.arrival_s)


def arrivals(demand: Demand, seed: int, *, first_hour: int = 0, hours: float = HOURS) -> Arrivals:
    """What comes in so many hours from ``first_hour`` of the week on; raises UsageError for more than fits."""
    rng = np.random.default_rng(seed)
    starts = np.arange(0, hours * _HOUR_S, _SLOT_S)
    lengths = np.minimum(_SLOT_S, hours * _HOUR_S - starts)
    middles = first_hour + (starts + lengths / 2) / _HOUR_S
    rates = np.interp((middles - 0.5) % HOURS, np.arange(HOURS + 1), np.append(demand.rates, demand.rates[0]))
    expected = float((rates * lengths).sum())
    if not expected < MAX_ARRIVALS:
        msg = f"traffic: {expected:,.0f} requests in {hours:g} hours are more than {MAX_ARRIVALS:,}; take fewer hours"
        raise UsageError(msg)
    counts = rng.poisson(rates * lengths)
    times = np.repeat(starts, counts) + np.repeat(lengths, counts) * rng.random(int(counts.sum()))
    times.sort()
    return _routed(times, demand.mix.draw(len(times), rng), demand.shares, rng)


def replay(trace: Trace, shares: dict[str, float], seed: int) -> Arrivals:
    """A trace as it was; only the tiers are drawn."""
    return _routed(trace.arrival_s, trace.requests, shares, np.random.default_rng(seed))


def _routed(times: Floats, requests: Requests, shares: dict[str, float], rng: np.random.Generator) -> Arrivals:
    bounds = np.cumsum(list(shares.values()))
    tier = np.searchsorted(bounds / bounds[-1], rng.random(len(times)), side="right").astype(np.int8)
    lengths = (requests.prompt_tokens, requests.output_tokens, requests.cached_tokens)
    return Arrivals(times, *lengths, tier, tuple(shares))
