"""One topic must not take all of the large model: a rough topic by a prompt's words, and what each has had lately.

Topics are the groups of words in :mod:`router.learn.features`; most prompts have none, and those are never held back.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

import numpy as np

from router.learn.features import NAMES, Row

TOPICS: Final = ("code", "mathematics", "science", "law", "history", "business")
WINDOW: Final = 200
"""Latest requests that count, as many as the threshold ranks among."""
SLACK: Final = 2.5
"""Large ones by which a topic may be ahead of its part: a share of few requests is never exact."""

_SHARES: Final = np.array([NAMES.index(f"{topic}_share") for topic in TOPICS])
_USUAL: Final = np.array([0.012, 0.004, 0.004, 0.004, 0.004, 0.004], np.float32)
"""Share of such words in any text: ``for``, ``while`` and ``list`` are English too."""
_FEWEST: Final = np.log1p([4, 2, 2, 2, 2, 2])
_COUNTS: Final = [NAMES.index(topic) for topic in TOPICS]


def topic_of(looks: Row) -> str:
    """The topic of a prompt by its looks; empty where its words tell none."""
    best = int((looks[_SHARES] - _USUAL).argmax())
    return TOPICS[best] if looks[_COUNTS[best]] >= _FEWEST[best] - 1e-3 else ""


class Portions:
    """What each topic has had of the large model, among the latest requests."""

    def __init__(self, most: float) -> None:
        """A topic has at most that part of what goes to large, or its part of all requests where that is more."""
        self._most = most
        self._latest: deque[tuple[str, bool]] = deque(maxlen=WINDOW)
        self._seen: Counter[str] = Counter()
        self._large: Counter[str] = Counter()

    def may(self, topic: str, share: float) -> bool:
        """Whether one more request of a topic may go to large, which ``share`` of all requests does."""
        known = len(self._latest)
        if not topic or not known:
            return True
        part = max(self._most, self._seen[topic] / known)
        return self._large[topic] < part * share * known + SLACK

    def saw(self, topic: str, *, large: bool) -> None:
        """Count a request."""
        if len(self._latest) == WINDOW:
            old, was_large = self._latest[0]
            self._seen[old] -= 1
            self._large[old] -= was_large
        self._latest.append((topic, large))
        self._seen[topic] += 1
        self._large[topic] += large
