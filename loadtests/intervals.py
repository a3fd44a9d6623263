"""How sure a figure is: percentiles by rank, and the 95 % intervals of percentiles and of shares.

Of independent requests only: requests of the same moment resemble each other, so :mod:`loadtests.stretches` asks what
other moments would have said, and a gate shows whichever interval is wider.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z: Final = 1.959963984540054
"""Standard deviations of the normal distribution that hold 95 % of it."""
FEWEST: Final = 72
"""Requests of which a 95th percentile's interval has an upper end: 0.95^n is 2.5 % or less from 72 on."""


class Interval(NamedTuple):
    """Where a figure would be found 95 times in 100."""

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies within."""
        return self.low <= value <= self.high

    def over(self, other: Interval) -> Interval:
        """The least that covers both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))


def percentile(values: Floats, share: float) -> float:
    """The smallest value that at least ``share`` of the (one or more) values do not exceed."""
    return float(np.quantile(values, share, method="inverted_cdf"))


def of_percentile(values: Floats, share: float) -> Interval:
    """By ranks, whatever the distribution: how many of n values lie below a percentile is binomial.

    The normal approximation gives the ranks (W. J. Conover, Practical Nonparametric Statistics, section 3.2). Where so
    few values cannot show an upper end, it is infinite.
    """
    ranked, count = np.sort(values), len(values)
    middle, spread = count * share, Z * math.sqrt(count * share * (1 - share))
    low, high = math.floor(middle - spread), math.ceil(middle + spread)
    above = ranked[min(high, count) - 1] if share**count <= 0.025 else np.inf  # noqa: PLR2004 - half of 5 %
    return Interval(float(ranked[low - 1]) if low >= 1 else 0.0, float(above))


def of_share(hits: int, count: int) -> Interval:
    """E. B. Wilson's score interval (1927), which stays honest at 0 of n and at n of n."""
    if not count:
        return Interval(0.0, 1.0)
    share, square = hits / count, Z * Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z * math.sqrt(share * (1 - share) / count + square / (4 * count * count)) / (1 + square / count)
    return Interval(max(0.0, middle - half) if hits else 0.0, min(1.0, middle + half) if hits < count else 1.0)
