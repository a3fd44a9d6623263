"""How a run went: latencies, throughput, tiers and errors against time, and latencies against concurrency.

For plots and for eyes. Gates and comparisons do not read it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final

import numpy as np

from cluster.spec.base import Noun
from loadtests.columns import Columns, Counts
from loadtests.figures import overlap
from loadtests.intervals import Floats, percentile

Curve = tuple[float | None, ...]
"""None where nothing was measured."""

_MOMENTS: Final = 60
_LEVELS: Final = 12
_FEWEST: Final = 10
"""Requests of which a level of concurrency shows a percentile."""


class OverTime(Noun):
    """A value for each moment of the run; ``at_s`` is the middle of each, in seconds since the start."""

    at_s: Curve
    concurrency: Curve
    requests_per_s: Curve
    """Answers that became complete."""
    output_tokens_per_s: Curve
    """Of those."""
    failed_per_s: Curve
    ttft_p50_s: Curve
    """Of the requests that were meant to be sent in that moment, as all latencies here."""
    ttft_p95_s: Curve
    tpot_p95_s: Curve
    e2e_p95_s: Curve
    tiers: dict[str, Curve]
    """Tier → its share of the complete answers."""


class OverConcurrency(Noun):
    """A value for each level of concurrency, an equal number of requests at each."""

    concurrency: Curve
    """Requests under way when these were sent, on average."""
    requests: Curve
    ttft_p50_s: Curve
    ttft_p95_s: Curve
    tpot_p95_s: Curve
    e2e_p95_s: Curve


def over_time(columns: Columns, until_s: float) -> OverTime:
    """The whole run, what does not count for the gates included."""
    edges = np.linspace(0, max(until_s, 1e-6), _MOMENTS + 1)
    seconds = float(edges[1])
    begun = np.clip(np.digitize(columns.intended_s, edges) - 1, 0, _MOMENTS - 1)
    ended = np.clip(np.digitize(columns.end_s, edges) - 1, 0, _MOMENTS - 1)
    complete = columns.complete
    done = np.bincount(ended[complete], minlength=_MOMENTS)
    tokens = np.bincount(ended[complete], columns.output_tokens[complete], _MOMENTS)
    failed = np.bincount(ended[columns.failed], minlength=_MOMENTS)
    tiers = {
        name: np.bincount(ended[complete & (columns.tier == name)], minlength=_MOMENTS) / np.where(done, done, np.nan)
        for name in sorted(set(columns.tier.tolist()))
    }
    return OverTime(
        at_s=_curve((edges[:-1] + edges[1:]) / 2),
        concurrency=tuple(overlap(columns, a, b) / seconds for a, b in pairwise(edges.tolist())),
        requests_per_s=_curve(done / seconds),
        output_tokens_per_s=_curve(tokens / seconds),
        failed_per_s=_curve(failed / seconds),
        ttft_p50_s=_by(columns.ttft_s, begun, _MOMENTS, 0.5),
        ttft_p95_s=_by(columns.ttft_s, begun, _MOMENTS, 0.95),
        tpot_p95_s=_by(columns.tpot_s, begun, _MOMENTS, 0.95),
        e2e_p95_s=_by(columns.e2e_s, begun, _MOMENTS, 0.95),
        tiers={name or "unknown": _curve(share) for name, share in tiers.items()},
    )


def over_concurrency(columns: Columns) -> OverConcurrency:
    """Levels of equally many requests each; fewer levels where there are few requests."""
    under_way = _under_way(columns)
    levels = min(_LEVELS, math.ceil(len(columns) / _FEWEST))
    order = np.argsort(under_way, kind="stable")
    level = np.empty(len(columns), np.int64)
    level[order] = np.arange(len(columns)) * levels // max(1, len(columns))
    return OverConcurrency(
        concurrency=_curve(np.array([under_way[level == place].mean() for place in range(levels)])),
        requests=_curve(np.array([(level == place).sum() for place in range(levels)], np.float64)),
        ttft_p50_s=_by(columns.ttft_s, level, levels, 0.5),
        ttft_p95_s=_by(columns.ttft_s, level, levels, 0.95),
        tpot_p95_s=_by(columns.tpot_s, level, levels, 0.95),
        e2e_p95_s=_by(columns.e2e_s, level, levels, 0.95),
    )


def _under_way(columns: Columns) -> Floats:
    """Requests that were under way just when each was sent, itself included."""
    begun = np.searchsorted(np.sort(columns.sent_s), columns.sent_s, side="right")
    gone = np.searchsorted(np.sort(columns.end_s), columns.sent_s, side="right")
    return np.asarray(begun - gone, np.float64)


def _by(seconds: Floats, groups: Counts, count: int, share: float) -> Curve:
    known = np.isfinite(seconds)
    some = (seconds[known & (groups == place)] for place in range(count))
    return tuple(percentile(values, share) if len(values) else None for values in some)


def _curve(values: Floats) -> Curve:
    return tuple(float(value) if np.isfinite(value) else None for value in values)
