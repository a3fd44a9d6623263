"""A bounded number of requests at a target, and a bounded, fair queue before it.

While several callers are active, a quarter of the slots is kept from whoever holds as many already: a burst that took
them all would have the others wait for its answers to end, however fair the queue is. Who takes a slot gives it back
exactly once, so the count of requests under way cannot leak.
Neighbour: :mod:`router.backends.fairness` says who is next.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from router.backends.fairness import Caller, FairQueue
from router.backends.forecast import Forecast

ANYONE = Caller()
SHARED_S = 10.0
"""A caller that has asked for nothing for so long has no slots kept for it."""
_MOST_SEEN = 16


class QueueFullError(Exception):
    """Neither a slot nor a place in the queue is free, or none became free in time."""


class _Turn:
    """A request that waits."""

    __slots__ = ("caller", "come")

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.come: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Slots:
    """Counts what is under way; the rest waits its turn."""

    def __init__(self, limit: int, queue: int, queue_seconds: float) -> None:
        """``limit`` requests under way, ``queue`` waiting, each for at most ``queue_seconds``."""
        self._limit, self._queue_limit, self._queue_seconds = limit, queue, queue_seconds
        self._waiting: FairQueue[_Turn] = FairQueue()
        self._kept = limit // 4
        self._held: Counter[str] = Counter()
        self._seen: dict[str, float] = {}
        """When callers asked last, the latest last."""
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
        self._see(caller.name)
        self._hand_out()
        if self._may(caller.name):
            self._begin(caller)
            return
        self._make_room(caller)
        turn = _Turn(caller)
        self._waiting.push(turn, caller)
        taken = False
        try:
            async with asyncio.timeout(self._queue_seconds):
                await turn.come
            taken = True
        except TimeoutError:
            raise QueueFullError from None
        finally:
            if not taken:
                self._leave(turn)

    def give(self, caller: Caller = ANYONE) -> None:
        """Give a slot back that ``caller`` took: to the next in the queue, or to the count."""
        self.in_flight -= 1
        self._held[caller.name] -= 1
        if self._held[caller.name] <= 0:
            del self._held[caller.name]
        if self._hand_out():
            self.forecast.given()
        elif not self._waiting:
            self.forecast.idle()

    def _may(self, name: str) -> bool:
        """Whether a caller may have one more slot now."""
        if self.in_flight < self._limit - self._kept:
            return True
        return self.in_flight < self._limit and (self._held[name] < self._kept or not self._is_shared(name))

    def _is_shared(self, name: str) -> bool:
        """Whether anyone else has asked lately."""
        latest = next((at for other, at in reversed(self._seen.items()) if other != name), None)
        return latest is not None and time.monotonic() - latest < SHARED_S

    def _see(self, name: str) -> None:
        self._seen.pop(name, None)
        self._seen[name] = time.monotonic()
        if len(self._seen) > _MOST_SEEN:
            del self._seen[next(iter(self._seen))]

    def _begin(self, caller: Caller) -> None:
        self.in_flight += 1
        self._held[caller.name] += 1

    def _hand_out(self) -> bool:
        """Give what is free to those who wait and may have it; whether anyone got a slot."""
        handed = False
        while self._waiting and self.in_flight < self._limit and (turn := self._waiting.pop(self._may)) is not None:
            if not turn.come.done():
                self._begin(turn.caller)
                turn.come.set_result(None)
                handed = True
        return handed

    def _make_room(self, caller: Caller) -> None:
        """When the queue is full, the request with the weakest claim goes: the newcomer, or one that waits."""
        if len(self._waiting) < self._queue_limit:
            return
        weakest = self._waiting.last()
        if weakest is None or weakest[0] <= self._waiting.tag(caller):
            raise QueueFullError
        _, turn = weakest
        self._waiting.remove(turn)
        if not turn.come.done():  # its request has left in the same moment
            turn.come.set_exception(QueueFullError())

    def _leave(self, turn: _Turn) -> None:
        """Leave the queue; a slot that was handed over in the same moment goes on to the next."""
        if turn.come.done() and not turn.come.cancelled() and turn.come.exception() is None:
            self.give(turn.caller)
        else:
            self._waiting.remove(turn)
