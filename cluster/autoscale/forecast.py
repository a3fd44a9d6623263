"""Load so far → load soon: level and trend of the last minutes, and what followed this hour on the days before.

Load is counted in bins of a minute. Errors of earlier forecasts are kept, so that whoever sizes by a forecast knows how
much noise to leave room for.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import sqrt

from cluster.autoscale.bins import Bins

BIN_S = 60.0
DAY_BINS = 1440
_LEVEL_BINS = 5
"""Bins that the level is averaged over: long enough that single bursts do not pass for growth."""
_TREND_BINS = 15
_SEASON_BINS = 10
"""Bins on either side that yesterday's load is averaged over."""
_EARLIER_BINS = 30
"""How much earlier than a day ago growth is prepared for, because it had to be noticed then."""
_SURGE_DEVIATIONS = 3
_MEMORY = 0.97
"""What the variance of errors keeps with each bin: half of it is forgotten in 23 minutes."""


@dataclass(slots=True)
class Forecast:
    """Of one model's load, in replica-seconds per second."""

    bins: deque[float] = field(default_factory=lambda: deque(maxlen=8 * DAY_BINS))
    """Mean load of each whole bin, the latest last."""
    variance: float = 0.0
    """Of a bin's load around its forecast."""
    _open: Bins = field(default_factory=lambda: Bins(BIN_S))

    def add(self, load: float, seconds: float) -> None:
        """Count replica-seconds that came within so many seconds."""
        for rate in self._open.add(load, seconds):
            self._close(rate)

    @property
    def level(self) -> float:
        """Load now."""
        return self._mean(len(self.bins) - _LEVEL_BINS, len(self.bins))

    @property
    def deviation(self) -> float:
        """Standard deviation of a minute's load around what was forecast."""
        return sqrt(self.variance)

    @property
    def surge(self) -> float:
        """Load of the latest minute beyond what noise explains; 0 as a rule."""
        before = self._mean(len(self.bins) - 1, len(self.bins)) * BIN_S
        latest = (self._open.amount + before) / (self._open.passed_s + BIN_S)
        excess = latest - self.level - _SURGE_DEVIATIONS * self.deviation
        return excess if self._open.passed_s >= BIN_S / 2 and excess > 0 else 0.0

    def highest(self, seconds: float) -> float:
        """The highest load expected within so many seconds from now."""
        ahead = max(1, round(seconds / BIN_S))
        level, slope = self.level, self._slope()
        season = [self._season(bins) for bins in range(5, ahead + _EARLIER_BINS + 1, 5)]
        if not season[0]:
            return self.surge + max(level, level + slope * ahead)
        return self.surge + level * max(1.0, *season)

    def _close(self, load: float) -> None:
        if self.bins:
            error = load - self.level
            self.variance = _MEMORY * self.variance + (1 - _MEMORY) * error * error
        self.bins.append(load)

    def _mean(self, low: int, high: int) -> float:
        low, high = max(0, low), min(len(self.bins), high)
        return sum(self.bins[at] for at in range(low, high)) / (high - low) if high > low else 0.0

    def _slope(self) -> float:
        """Change per bin, from the older to the younger half of the last bins."""
        count = min(len(self.bins), _TREND_BINS) // 2
        if not count:
            return 0.0
        end = len(self.bins)
        return (self._mean(end - count, end) - self._mean(end - 2 * count, end - count)) / count

    def _season(self, ahead: int) -> float:
        """How much higher the load was ``ahead`` bins later, a day ago; 0 where that is not known."""
        then = len(self.bins) - DAY_BINS
        if then < _SEASON_BINS:
            return 0.0
        before = self._mean(then - _SEASON_BINS, then + _SEASON_BINS)
        after = self._mean(then + ahead - _SEASON_BINS, then + ahead + _SEASON_BINS)
        return after / before if before > 0 else 0.0
