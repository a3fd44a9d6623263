"""From the steady state to promises: which share of requests holds each latency, percentiles, and the highest rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.demand.lengths import Floats
from cluster.spec import Slo
from cluster.steady.state import State
from cluster.steady.work import Work

_P95: Final = 0.95
_RATES: Final = 16
"""Rates that are looked at in one go between almost nothing and the limit."""
_ROUNDS: Final = 3
_SAFE: Final = 0.9
"""Share of the limit up to which a replica is loaded; beyond it no percentile of so long a queue can be trusted."""
_LOWEST: Final = 0.002
"""Share of the limit that stands for a replica with one request at a time."""
_HALVINGS: Final = 30
_LONGEST_S: Final = 1e5
_SHORTEST: Final = 10.0
"""Percentiles are looked for from e⁻¹⁰ s (45 µs) on."""

Within = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Attained:
    """Share of requests at each rate that holds one promise, and the share that was promised."""

    promise: str
    """The field of ``slo``."""
    limit_s: float
    share: Floats
    wanted: float

    @property
    def holds(self) -> NDArray[np.bool_]:
        """By rate: whether enough requests hold it."""
        return self.share >= self.wanted


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much one replica takes."""

    rate: float
    """Requests per second at which every promise still holds; 0 where none does."""
    broken: str
    """The promise that breaks first above ``rate``, a field of ``slo``; ``load`` where only the limit ends it."""


def attained(state: State, slo: Slo) -> list[Attained]:
    """Every latency that is promised, at every rate of the state."""
    given = _promised(state, slo)
    found = [Attained(name, limit, each.mean(axis=1), _P95) for name, (limit, each) in given.items()]
    if slo.goodput is not None and given:
        found.append(Attained("goodput", 0, in_time(state, slo), slo.goodput))
    return found


def in_time(state: State, slo: Slo) -> Floats:
    """By rate: the share of requests that hold every latency that is promised; 1 where none is."""
    held = np.ones((len(state.batch), 1))
    for _, each in _promised(state, slo).values():
        held = held * each
    share: Floats = held.mean(axis=1)
    return share


def _promised(state: State, slo: Slo) -> dict[str, tuple[float, Floats]]:
    """Field of ``slo`` → its limit, and by rate and request the probability to hold it."""
    ways: dict[str, tuple[float | None, Within]] = {
        "ttft_p95_s": (slo.ttft_p95_s, state.ttft_within),
        "tpot_p95_s": (slo.tpot_p95_s, state.tpot_within),
        "e2e_p95_s": (slo.e2e_p95_s, state.e2e_within),
    }
    return {name: (limit, within(np.full((1, 1), limit))) for name, (limit, within) in ways.items() if limit}


def capacity(work: Work, slo: Slo) -> Capacity:
    """The highest rate at which all promises hold, each round where the last one found it."""
    low, high, broken = 0.0, _SAFE * work.highest, "load"
    alone = attained(State.at(work, np.array([_LOWEST * work.highest])), slo)
    if failed := next((one.promise for one in alone if not one.holds[0]), ""):
        return Capacity(0.0, failed)
    for _ in range(_ROUNDS):
        rates = np.linspace(max(low, _LOWEST * work.highest), high, _RATES)
        held = attained(State.at(work, rates), slo)
        fine = np.logical_and.reduce([np.ones(_RATES, bool), *(one.holds for one in held)])
        if fine.all():
            return Capacity(high, broken)
        failing = max(1, int(np.argmin(fine)))
        broken = next((one.promise for one in held if not one.holds[failing]), broken)
        low, high = float(rates[failing - 1]), float(rates[failing])
    return Capacity(low, broken)


def percentile(within: Within, share: float, rates: int) -> Floats:
    """By rate: the seconds within which ``share`` of the requests are, where ``within`` tells it for each request."""
    low, high = np.zeros(rates), np.full(rates, _SHORTEST + np.log(_LONGEST_S))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = within(np.exp(middle - _SHORTEST)[:, None]).mean(axis=1) >= share
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    seconds: Floats = np.exp(high - _SHORTEST)
    return seconds
