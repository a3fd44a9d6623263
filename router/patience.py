"""A deadline that all requests have alike: one timer of the loop's for all of them instead of one each.

Neighbours: :mod:`router.gateway` begins and ends the wait of every :class:`router.call.Call`.
"""

from __future__ import annotations

import asyncio

from router.call import Call


class Patience:
    """Expires calls that have not ended in time; as all have as long, those that began first are due first."""

    def __init__(self, which: str, seconds: float) -> None:
        """``which`` field of ``gateway.deadlines`` it is."""
        self._which, self._seconds = which, seconds
        self._due: dict[Call, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, call: Call) -> None:
        """From now on, the call has so many seconds."""
        loop = asyncio.get_running_loop()
        due = self._due[call] = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look, loop)

    def end(self, call: Call) -> None:
        """It ended, or is no longer waited for in this way."""
        self._due.pop(call, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Expire what is due, and look again when the next one is."""
        self._timer, now = None, loop.time()
        while self._due:
            call, due = next(iter(self._due.items()))
            if due > now:
                self._timer = loop.call_at(due, self._look, loop)
                return
            del self._due[call]
            call.expire(self._which)
