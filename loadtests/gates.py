"""The fleet file's promises, each held against what was measured. Pure; what nobody promised is never judged.

A gate holds when the measured figure is within the promise AND enough requests say so. How sure that is, is told
beside it, by the wider one of two intervals: of independent requests, and of stretches of time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

import numpy as np

from cluster.spec import Slo
from cluster.spec.base import Noun
from loadtests.columns import Columns
from loadtests.intervals import FEWEST, Floats, Interval, of_percentile, of_share, percentile
from loadtests.stretches import Resampled, Stretch, held, interval

P95: Final = 0.95
_SEED: Final = 1


class Status(StrEnum):
    """What came of a gate."""

    HELD = "held"
    BROKEN = "broken"
    UNPROVEN = "unproven"
    """Too few requests to tell; no pass."""


class Gate(Noun):
    """One promise and what came of it. Seconds, or shares for ``error_rate`` and ``goodput``."""

    name: str
    """Of the field of ``slo``."""
    promised: float
    measured: float | None
    """None where no request could tell."""
    low: float | None
    """Lower end of the measured figure's 95 % interval."""
    high: float | None
    """Upper end; None where so few requests show none."""
    requests: int
    """That the figure is of."""
    status: Status
    over_percent: float | None
    """How far the measured figure is on the wrong side of the promise; negative where it holds."""
    sure: bool
    """Whether the whole interval lies on the figure's side of the promise."""
    says: str
    """In a sentence."""


def judge(columns: Columns, slo: Slo, parts: tuple[Stretch, ...]) -> tuple[Gate, ...]:
    """All gates of a fleet's promises; ``columns`` are the requests that count, ``parts`` the same in stretches.

    Latencies are judged where anything was generated: a run of embeddings alone has no first token to wait for.
    """
    drawn = Resampled(parts, _SEED)
    gates = [_latency(name, promised, seconds, drawn) for name, promised, seconds in _latencies(columns, slo)]
    judged = columns.at(~columns.cancelled)
    if slo.error_rate < 1:
        failing = drawn.ratio(lambda part: part.failed, lambda part: part.requests)
        gates.append(_share("error_rate", slo.error_rate, int(judged.failed.sum()), len(judged), failing))
    if slo.goodput is not None:
        passing = drawn.ratio(lambda part: part.good, lambda part: part.requests)
        gates.append(_share("goodput", slo.goodput, int(held(judged, slo).sum()), len(judged), passing))
    return tuple(gates)


def _latencies(columns: Columns, slo: Slo) -> Iterator[tuple[str, float, Floats]]:
    if len(columns) and not columns.generates.any():
        return
    for name, promised, seconds in (
        ("ttft_p95_s", slo.ttft_p95_s, columns.ttft_s),
        ("tpot_p95_s", slo.tpot_p95_s, columns.tpot_s),
        ("e2e_p95_s", slo.e2e_p95_s, columns.e2e_s),
    ):
        if promised is not None:
            yield name, promised, seconds[np.isfinite(seconds)]


def _latency(name: str, promised: float, seconds: Floats, drawn: Resampled) -> Gate:
    if not len(seconds):
        return _gate(name, promised, None, Interval(0, math.inf), 0)
    sure = of_percentile(seconds, P95)
    other = interval(drawn.percentile(name.partition("_")[0], P95))
    return _gate(name, promised, percentile(seconds, P95), sure.over(other or sure), len(seconds))


def _share(name: str, promised: float, hits: int, count: int, draws: Floats) -> Gate:
    if not count:
        return _gate(name, promised, None, Interval(0, 1), 0)
    sure = of_share(hits, count)
    return _gate(name, promised, hits / count, sure.over(interval(draws) or sure), count)


def _gate(name: str, promised: float, measured: float | None, within: Interval, requests: int) -> Gate:
    at_least = name == "goodput"
    holds = measured is not None and (measured >= promised if at_least else measured <= promised)
    enough = requests >= FEWEST
    status = Status.HELD if holds and enough else Status.UNPROVEN if holds or measured is None else Status.BROKEN
    worst, best = (within.low, within.high) if at_least else (within.high, within.low)
    beyond = worst if holds else best
    low, high = (within.low, within.high if math.isfinite(within.high) else None) if requests else (None, None)
    gate = Gate(
        name=name,
        promised=promised,
        measured=measured,
        low=low,
        high=high,
        requests=requests,
        status=status,
        over_percent=None if measured is None else _over(measured, promised, at_least=at_least),
        sure=measured is not None and holds == (beyond >= promised if at_least else beyond <= promised),
        says="",
    )
    return gate.model_copy(update={"says": _says(gate)})


def _over(measured: float, promised: float, *, at_least: bool) -> float | None:
    if not promised:
        return 0.0 if measured == 0 or at_least else None
    over = 100 * (measured - promised) / promised
    return -over if at_least else over


def _says(gate: Gate) -> str:
    if gate.measured is None:
        return f"{gate.name}: promised {_shown(gate, gate.promised)}, and not one request could tell"
    wrong = f" by {abs(gate.over_percent):.1f} %" if gate.over_percent and gate.status is Status.BROKEN else ""
    high = "more than they show" if gate.high is None else _shown(gate, gate.high)
    measured, promised = _shown(gate, gate.measured), _shown(gate, gate.promised)
    said = (
        f"{gate.name}: {measured} measured, {promised} promised: {gate.status}{wrong} "
        f"({gate.requests:,} requests; 95 % interval {_shown(gate, gate.low or 0)} to {high})"
    )
    if gate.status is Status.UNPROVEN:
        return f"{said}; {FEWEST} requests and more could tell, run longer or with more users"
    return said if gate.sure else f"{said}; the promise lies within the interval, so a longer run may end otherwise"


def _shown(gate: Gate, value: float) -> str:
    return f"{value:.3g} s" if gate.name.endswith("_s") else f"{100 * value:.3g} %"
