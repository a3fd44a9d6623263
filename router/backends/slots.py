"""A bounded number of requests at a target, and a bounded queue before it.

Who takes a slot gets its release, so an in-flight count cannot leak; first come, first served.
"""

from __future__ import annotations

import asyncio
from collections import deque


class QueueFullError(Exception):
    """Neither a slot nor a place in the queue is free, or none became free in time."""


class Slots:
    """Counts what is under way; the rest waits in order."""

    def __init__(self, limit: int, queue: int, queue_seconds: float) -> None:
        """``limit`` requests under way, ``queue`` waiting, each for at most ``queue_seconds``."""
        self._limit, self._queue_limit, self._queue_seconds = limit, queue, queue_seconds
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def free(self) -> bool:
        """Whether a request would start at once."""
        return self.in_flight < self._limit

    async def take(self) -> None:
        """Take a slot, waiting for one if need be; call :meth:`give` exactly once afterwards.

        Raises:
            QueueFullError: the queue is full, or no slot became free within ``queue_seconds``.

        """
        if self.in_flight < self._limit:
            self.in_flight += 1
            return
        if len(self._waiting) >= self._queue_limit:
            raise QueueFullError
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        taken = False
        try:
            async with asyncio.timeout(self._queue_seconds):
                await turn
            taken = True
        except TimeoutError:
            raise QueueFullError from None
        finally:
            if not taken:
                self._leave(turn)

    def _leave(self, turn: asyncio.Future[None]) -> None:
        """Leave the queue; a slot that was handed over in the same moment goes on to the next."""
        if turn.done() and not turn.cancelled():
            self.give()
        elif turn in self._waiting:
            self._waiting.remove(turn)

    def give(self) -> None:
        """Give a slot back: to the next in the queue, or to the count."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_flight -= 1
