"""A threshold that holds the share of the large model whatever the traffic: a quantile of the latest scores.

A fixed threshold drifts with the traffic's mix. This one ranks a new score among the latest, and keeps account of what
it owes: after too many large ones it becomes stricter, after too few more generous, so that no stretch of traffic takes
much more than its share.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable
from typing import Final

WINDOW: Final = 200
"""Scores that are remembered: enough for a steady share, few enough to follow a change."""
AHEAD: Final = 2.5
"""Large ones beyond their share, at which there are no more until others have made up for them."""
BEHIND: Final = 10.0
"""Large ones short of their share that are remembered; more would come back as a burst."""


class RollingQuantile:
    """Decides one score at a time; of one event loop, not of several threads."""

    def __init__(self, share: float, reference: Iterable[float], window: int = WINDOW) -> None:
        """``share`` of requests to the large model, in [0, 1]; ``reference``: earlier scores, the oldest first."""
        self.share = share
        self._latest = deque(reference, window)
        self._sorted = sorted(self._latest)
        self._credit = 0.0

    def took(self, *, large: bool) -> None:
        """A request went somewhere without being asked about; others make up for it."""
        self._credit = max(-BEHIND, min(BEHIND, self._credit + self.share - large))

    def is_large(self, score: float, *, may: bool = True) -> bool:
        """Whether this one goes to the large model, if it ``may``; remembers it."""
        wanted = self.share * (1 + self._credit / AHEAD)
        known = self._sorted
        rank = (bisect_left(known, score) + bisect_right(known, score) + 1) / (2 * len(known) + 2)
        large = may and rank > 1 - wanted
        self._credit = min(BEHIND, self._credit + self.share - large)
        self._remember(score)
        return large

    def _remember(self, score: float) -> None:
        if len(self._latest) == self._latest.maxlen:
            del self._sorted[bisect_left(self._sorted, self._latest[0])]
        self._latest.append(score)
        insort(self._sorted, score)
