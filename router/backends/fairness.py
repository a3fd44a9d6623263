"""Who is next when requests wait: weighted fair queueing over callers.

Every waiting request gets a tag, its caller's last tag plus ``1 / weight``, but never before the queue's own time; the
smallest tag is next. So callers share slots by weight however many requests each sends, a caller's own requests keep
their order, and everyone's turn comes. When the queue is full, the request with the largest tag makes room: that of the
caller who has had, or asks for, the most. (Start-time fair queueing: Goyal, Vin and Cheng, SIGCOMM 1996.)
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")


class Caller(NamedTuple):
    """On whose behalf a request waits."""

    name: str = ""
    weight: int = 1
    """Its share of the slots against others that wait."""


class FairQueue(Generic[Item]):
    """Waiting items by tag; removal is lazy, so that leaving costs nothing."""

    def __init__(self) -> None:
        """Empty."""
        self._heap: list[tuple[float, int, Item]] = []
        self._tags: dict[Item, float] = {}
        self._names: dict[Item, str] = {}
        self._callers: Counter[str] = Counter()
        self._last: dict[str, float] = {}
        self._time = 0.0
        self._count = 0

    def __len__(self) -> int:
        """Items that wait."""
        return len(self._tags)

    def tag(self, caller: Caller) -> float:
        """The tag that an item of this caller would get now."""
        return max(self._time, self._last.get(caller.name, 0.0)) + 1 / caller.weight

    def push(self, item: Item, caller: Caller) -> None:
        """Queue an item."""
        tag = self._last[caller.name] = self.tag(caller)
        self._tags[item], self._names[item] = tag, caller.name
        self._callers[caller.name] += 1
        self._count += 1
        heapq.heappush(self._heap, (tag, self._count, item))

    def pop(self, may: Callable[[str], bool]) -> Item | None:
        """Take the item whose turn it is, of a caller that ``may`` be served, by its name; None when none waits."""
        passed: list[tuple[float, int, Item]] = []
        found: Item | None = None
        while found is None and any(map(may, self._callers)):
            tag, count, item = heapq.heappop(self._heap)
            if item not in self._tags:
                continue
            if may(self._names[item]):
                found, self._time = item, max(self._time, tag)
                self._drop(item)
            else:
                passed.append((tag, count, item))
        for entry in passed:
            heapq.heappush(self._heap, entry)
        self._forget()
        return found

    def remove(self, item: Item) -> None:
        """Take an item out, wherever it is."""
        if item in self._tags:
            self._drop(item)
        if len(self._heap) > 2 * len(self._tags) + 64:
            self._heap = [entry for entry in self._heap if entry[2] in self._tags]
            heapq.heapify(self._heap)

    def _drop(self, item: Item) -> None:
        del self._tags[item]
        name = self._names.pop(item)
        self._callers[name] -= 1
        if not self._callers[name]:
            del self._callers[name]

    def last(self) -> tuple[float, Item] | None:
        """The item with the largest tag, and its tag."""
        return max(((tag, item) for item, tag in self._tags.items()), key=lambda found: found[0], default=None)

    def _forget(self) -> None:
        """Callers whose last tag has passed start afresh anyway."""
        if len(self._last) > 2 * len(self._tags) + 64:
            self._last = {name: tag for name, tag in self._last.items() if tag > self._time}
