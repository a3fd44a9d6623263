"""Real time, at any speed, as a simulated engine's clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

TICK_S = 0.001
"""The shortest pause that uvloop's timers know; what falls due within one is done together."""


class RealClock:
    """The running loop's time, ``speed`` times as fast."""

    def __init__(self, speed: float = 1.0) -> None:
        """Begin at 0 now."""
        self._loop = asyncio.get_running_loop()
        self._speed, self._begun = speed, time.perf_counter()

    def now(self) -> float:
        """Simulated seconds since the beginning."""
        return (time.perf_counter() - self._begun) * self._speed

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call then."""
        pause = self._begun + when / self._speed - time.perf_counter()
        if pause <= 0:
            self._loop.call_soon(call)
        else:
            self._loop.call_later(max(TICK_S, pause), call)
