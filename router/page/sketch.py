"""Durations in buckets that each are a tenth wider than the one before: any quantile of any sum, within 5 %.

Bounded: between 10 µs and a day there are 241 buckets. The idea is DDSketch's (Masson, Rim, Lee, VLDB 2019), with one
fixed growth and without its collapsing.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log, sqrt

GROWTH = 1.1
_SCALE = 1 / log(GROWTH)
_LEAST, _MOST = 1e-5, 86_400.0

Sketch = dict[int, int]
"""Bucket → how many; bucket ``n`` holds from ``GROWTH ** n`` seconds up to the next one's."""


def add(sketch: Sketch, seconds: float) -> None:
    """Count one duration."""
    bucket = floor(log(min(max(seconds, _LEAST), _MOST)) * _SCALE)
    sketch[bucket] = sketch.get(bucket, 0) + 1


def together(sketches: Iterable[Sketch]) -> Sketch:
    """Several as one."""
    found: Sketch = {}
    for sketch in sketches:
        for bucket, count in sketch.items():
            found[bucket] = found.get(bucket, 0) + count
    return found


def quantile(sketch: Sketch, share: float) -> float | None:
    """The duration that ``share`` of all do not exceed, in seconds; None where there are none."""
    left = share * sum(sketch.values())
    for bucket, count in sorted(sketch.items()):
        left -= count
        if left <= 0:
            return GROWTH**bucket * sqrt(GROWTH)
    return None
