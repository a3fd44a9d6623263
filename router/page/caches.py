"""How full the engines' KV caches are: vLLM's own figure, asked of one replica a model while somebody watches.

Where a model has several replicas, whichever the proxy picked speaks for them; a model that may sleep is not asked.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable

from router.backends.contract import Backend
from router.backends.target import Target

EVERY_S = 2.0
_USAGE = re.compile(rb"^vllm:kv_cache_usage_perc(?:\{[^}\n]*\})? ([0-9.e+-]+)", re.MULTILINE)
"""A share, in spite of its name; an engine with several cores has a line for each."""


class Caches:
    """Remembers the latest answers."""

    def __init__(self, targets: Iterable[Backend]) -> None:
        """Nobody is asked yet."""
        self._targets = [target for target in targets if isinstance(target, Target)]
        self._looking: asyncio.Task[None] | None = None
        self._looked = -EVERY_S
        self.used: dict[str, float | None] = {}
        """By model, from 0 to 1; None where it does not say."""

    def look(self) -> None:
        """Begin to ask, where it is time; whoever waits for the page does not wait for an engine."""
        if time.monotonic() - self._looked >= EVERY_S and (self._looking is None or self._looking.done()):
            self._looked = time.monotonic()
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        told = await asyncio.gather(*(target.figures() for target in self._targets))
        self.used = {target.name: fullest(text) for target, text in zip(self._targets, told, strict=True)}


def fullest(text: bytes) -> float | None:
    """The share of its KV cache that an engine uses, by its metrics."""
    return max((float(found) for found in _USAGE.findall(text)), default=None)
