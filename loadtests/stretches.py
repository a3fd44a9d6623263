"""A run cut into stretches of time, each with what figures need: resampling them says how sure a figure is.

Requests of the same moment share its queue, so they say less than as many independent ones. A bootstrap that draws
whole stretches keeps what they share (H. R. Künsch 1989, with fixed blocks). Latencies are kept as counts in buckets
1 % apart, so that a result can be compared with another long after its samples are gone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from cluster.spec import Slo
from cluster.spec.base import Noun
from loadtests.columns import Columns, Mask
from loadtests.intervals import Floats, Interval

COUNT: Final = 32
"""Stretches of a run: enough to draw from, and long enough each to outlast most requests."""
_DRAWS: Final = 4000
_STEP: Final = math.log(1.01)
_FASTEST: Final = 1e-6
"""Seconds; what is faster counts as this."""
RESOLUTION: Final = 0.005
"""A value is at most so much, relatively, from its bucket's."""


class Stretch(Noun):
    """Some seconds of a run. Latencies: bucket → requests; a bucket's value is 1.01 to its power, in seconds."""

    seconds: float
    requests: int
    """That were meant to be sent in it, cancelled ones aside."""
    failed: int
    good: int
    """That held every promised latency."""
    ended: int
    """Answers that became complete in it, whenever they were sent."""
    output_tokens: int
    """Of those."""
    ttft: dict[int, int]
    tpot: dict[int, int]
    e2e: dict[int, int]


def held(columns: Columns, slo: Slo) -> Mask:
    """Which requests completed within every promised latency; NaN breaks none: one token has no time per token."""
    late = np.zeros(len(columns), np.bool_)
    for seconds, limit in (
        (columns.ttft_s, slo.ttft_p95_s),
        (columns.tpot_s, slo.tpot_p95_s),
        (columns.e2e_s, slo.e2e_p95_s),
    ):
        late |= seconds > (limit or np.inf)
    return columns.complete & ~late


def stretches(columns: Columns, slo: Slo, since_s: float, until_s: float) -> tuple[Stretch, ...]:
    """The seconds from ``since_s`` to ``until_s``, in equal parts."""
    edges = np.linspace(since_s, max(until_s, since_s + 1e-6), COUNT + 1)
    begun, ended = (np.digitize(times, edges) - 1 for times in (columns.intended_s, columns.end_s))
    good, seconds = held(columns, slo), float(edges[1] - edges[0])
    return tuple(
        _stretch(columns, good, begun == number, (ended == number) & columns.complete, seconds)
        for number in range(COUNT)
    )


def _stretch(columns: Columns, good: Mask, begun: Mask, ended: Mask, seconds: float) -> Stretch:
    return Stretch(
        seconds=seconds,
        requests=int((begun & ~columns.cancelled).sum()),
        failed=int((begun & columns.failed).sum()),
        good=int((begun & good).sum()),
        ended=int(ended.sum()),
        output_tokens=int(columns.output_tokens[ended].sum()),
        ttft=_counted(columns.ttft_s[begun]),
        tpot=_counted(columns.tpot_s[begun]),
        e2e=_counted(columns.e2e_s[begun]),
    )


def _counted(seconds: Floats) -> dict[int, int]:
    known = np.maximum(seconds[np.isfinite(seconds)], _FASTEST)
    buckets, counts = np.unique(np.rint(np.log(known) / _STEP).astype(np.int64), return_counts=True)
    return dict(zip(buckets.tolist(), counts.tolist(), strict=True))


class Resampled:
    """What the figures of a run would have been, had other stretches of it happened; a value a draw, NaN of nothing."""

    def __init__(self, parts: tuple[Stretch, ...], seed: int) -> None:
        """The same stretches and seed give the same draws; two runs want two seeds."""
        self._parts = parts
        self._summed: dict[str, tuple[Floats, Floats]] = {}
        rng = np.random.default_rng(seed)
        count = len(parts)
        self._weights = rng.multinomial(count, np.full(count, 1 / count), _DRAWS).astype(np.float64)

    def ratio(self, above: Callable[[Stretch], float], below: Callable[[Stretch], float]) -> Floats:
        """Such as failed requests over all requests, or tokens over seconds."""
        top, bottom = (self._weights @ np.array([each(part) for part in self._parts]) for each in (above, below))
        return np.asarray(top / np.where(bottom > 0, bottom, np.nan), np.float64)

    def percentile(self, latency: str, share: float) -> Floats:
        """Of ``ttft``, ``tpot`` or ``e2e``, to a bucket's width."""
        buckets, summed = self._summed.get(latency) or self._sums(latency)
        if not len(buckets):
            return np.full(_DRAWS, np.nan)
        places = (summed < share * summed[:, -1:]).sum(axis=1)
        values = np.exp(_STEP * buckets)[np.minimum(places, len(buckets) - 1)]
        return np.where(summed[:, -1] > 0, values, np.nan)

    def _sums(self, latency: str) -> tuple[Floats, Floats]:
        """Buckets, and by draw how many requests lie in each of them or below."""
        counted: list[dict[int, int]] = [getattr(part, latency) for part in self._parts]
        buckets = sorted({bucket for counts in counted for bucket in counts})
        table = np.array([[counts.get(bucket, 0) for bucket in buckets] for counts in counted], np.float64)
        found = np.array(buckets, np.float64), np.cumsum(self._weights @ table, axis=1)
        self._summed[latency] = found
        return found


def interval(draws: Floats, level: float = 0.95) -> Interval | None:
    """The middle of the draws, so much of them; None where most of them say nothing."""
    known = draws[np.isfinite(draws)]
    if len(known) <= len(draws) / 2:
        return None
    return Interval(*map(float, np.quantile(known, ((1 - level) / 2, (1 + level) / 2))))
