"""A bounded number of requests at a target, and a bounded, fair queue before it.

Neighbour: :mod:`router.backends.fairness` says who is next. Who takes a slot gives it back exactly once, so the count
of requests under way cannot leak.
"""

from __future__ import annotations

import asyncio
import time

from router.backends.fairness import Caller, FairQueue
from router.backends.forecast import Forecast

ANYONE = Caller()


class QueueFullError(Exception):
    """Neither a slot nor a place in the queue is free, or none became free in time."""


class Slots:
    """Counts what is under way; the rest waits its turn."""

    def __init__(self, limit: int, queue: int, queue_seconds: float) -> None:
        """``limit`` requests under way, ``queue`` waiting, each for at most ``queue_seconds``."""
        self._limit, self._queue_limit, self._queue_seconds = limit, queue, queue_seconds
        self._waiting: FairQueue[asyncio.Future[None]] = FairQueue()
        self.in_flight = 0
        self.forecast = Forecast(time.monotonic)
        """How long the next one would wait."""

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    @property
    def free(self) -> bool:
        """Whether a request would start at once."""
        return self.in_flight < self._limit

    async def take(self, caller: Caller = ANYONE) -> None:
        """Take a slot, waiting for one if need be; call :meth:`give` exactly once afterwards.

        Raises:
            QueueFullError: the queue is full of requests with a better claim, or no slot became free in time.

        """
        if self.in_flight < self._limit:
            self.in_flight += 1
            return
        self._make_room(caller)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.push(turn, caller)
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

    def _make_room(self, caller: Caller) -> None:
        """When the queue is full, the request with the weakest claim goes: the newcomer, or one that waits."""
        if len(self._waiting) < self._queue_limit:
            return
        weakest = self._waiting.last()
        if weakest is None or weakest[0] <= self._waiting.tag(caller):
            raise QueueFullError
        _, turn = weakest
        self._waiting.remove(turn)
        if not turn.done():  # its request has left in the same moment
            turn.set_exception(QueueFullError())

    def _leave(self, turn: asyncio.Future[None]) -> None:
        """Leave the queue; a slot that was handed over in the same moment goes on to the next."""
        if turn.done() and not turn.cancelled() and turn.exception() is None:
            self.give()
        else:
            self._waiting.remove(turn)

    def give(self) -> None:
        """Give a slot back: to the next in the queue, or to the count."""
        while (turn := self._waiting.pop()) is not None:
            if not turn.done():
                turn.set_result(None)
                self.forecast.given()
                return
        self.forecast.idle()
        self.in_flight -= 1
