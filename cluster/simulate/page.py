"""A simulation as one HTML file without outside parts: its figures as a table, and plots over time as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from cluster.drawing import document, lines, table
from cluster.simulate.calls import Column
from cluster.simulate.outcome import COLUMNS, Outcome, Times
from cluster.simulate.pool import Pool

_BINS: Final = 240
_HOUR_S: Final = 3600.0


def page(title: str, outcome: Outcome, times: Times, pools: Sequence[Pool]) -> str:
    """The whole file."""
    edges = np.linspace(0, max(outcome.seconds, 1e-9), _BINS + 1)
    names = [pool.service.name for pool in pools]
    each = range(len(pools))
    by_model: dict[str, list[Column]] = {
        "Requests per second": [_rate(times, edges, at) for at in each],
        "Replicas, cold starts and drains included": [_paid(pool, edges) for pool in pools],
        "TTFT p95, seconds": [_p95(times, times.ttft_s, edges, at) for at in each],
        "TPOT p95, seconds": [_p95(times, times.tpot_s, edges, at) for at in each],
    }
    hours = (edges[:-1] + edges[1:]) / 2 / _HOUR_S
    plots = [lines(name, hours, dict(zip(names, curves, strict=True)), "by hours") for name, curves in by_model.items()]
    plots.append(lines("Requests outside of the SLO, percent", hours, {"all": _outside(times, edges)}, "by hours"))
    rows = [(one.name, *one.row()) for one in (*outcome.models, outcome.whole)]
    lost = f"<p>Spilled {outcome.spilled:,}, refused {outcome.refused:,}.</p>"
    return document(title, [table(("model", *COLUMNS), rows), lost, *plots])


def _rate(times: Times, edges: Column, pool: int) -> Column:
    counts = np.histogram(times.arrival_s[times.pool == pool], edges)[0]
    return np.asarray(counts / np.diff(edges), np.float64)


def _paid(pool: Pool, edges: Column) -> Column:
    at = np.searchsorted([look.at_s for look in pool.looks], (edges[:-1] + edges[1:]) / 2)
    replicas = np.array([len(pool.ready), *(look.replicas for look in pool.looks)], np.float64)
    curve: Column = replicas[np.minimum(at + 1, len(replicas) - 1)]
    return curve


def _p95(times: Times, seconds: Column, edges: Column, pool: int) -> Column:
    """95th percentile of those that arrived in each bin; NaN where none did."""
    kept = (times.pool == pool) & np.isfinite(seconds)
    values, ends = seconds[kept], np.searchsorted(times.arrival_s[kept], edges)
    bins = (values[low:high] for low, high in pairwise(ends))
    return np.array([np.quantile(some, 0.95) if len(some) else np.nan for some in bins])


def _outside(times: Times, edges: Column) -> Column:
    local = times.pool >= 0
    arrived = np.histogram(times.arrival_s[local], edges)[0]
    late = np.histogram(times.arrival_s[local & ~times.in_slo], edges)[0]
    return np.asarray(100 * late / np.maximum(1, arrived), np.float64)
