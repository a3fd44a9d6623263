"""The KV cache of a simulated engine: a bounded number of blocks, shared by what they hold, kept until space is needed.

As in vLLM: a full block is known by its tokens and all before them, so sequences with the same beginning share blocks;
a block that nobody holds any more stays findable until another one needs its place, the one longest unused first.
A sequence that comes too late to share still shares here, where vLLM would keep a second copy.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

BLOCK = 16
"""Tokens in a block, vLLM's default on GPUs."""


class Blocks:
    """Which blocks are held, and which could be found again."""

    def __init__(self, tokens: int) -> None:
        """Room for ``tokens``, rounded down to whole blocks."""
        self.total = tokens // BLOCK
        self._held: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._open = 0

    @property
    def used(self) -> int:
        """Blocks that a sequence holds."""
        return len(self._held) + self._open

    @property
    def free(self) -> int:
        """Blocks that a sequence may take, those that could be found again included."""
        return self.total - self.used

    def known(self, keys: Iterable[int]) -> int:
        """How many of the first blocks are here already."""
        count = 0
        for key in keys:
            if key not in self._held and key not in self._idle:
                break
            count += 1
        return count

    def cost(self, keys: Iterable[int]) -> int:
        """Free blocks that holding all of these would take."""
        return sum(key not in self._held for key in keys)

    def hold(self, key: int) -> None:
        """Take a full block, or share it."""
        holders = self._held.get(key, 0)
        self._held[key] = holders + 1
        if not holders:
            self._idle.pop(key, None)
            self._make_place()

    def release(self, keys: Iterable[int]) -> None:
        """Give full blocks back; the last ones of a sequence are forgotten first."""
        for key in reversed(list(keys)):
            if self._held[key] > 1:
                self._held[key] -= 1
            else:
                del self._held[key]
                self._idle[key] = None

    def open(self) -> None:
        """Take a block that is not full yet."""
        self._open += 1
        self._make_place()

    def close(self) -> None:
        """Give it back, or fill it."""
        self._open -= 1

    def _make_place(self) -> None:
        while self.used + len(self._idle) > self.total and self._idle:
            self._idle.popitem(last=False)
