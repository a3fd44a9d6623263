"""The one connection that feels the database: it listens, reads the database's clock, and notices loss and return.

Invariant: ``alive`` is what this connection found at its last beat, at most a few seconds ago; whoever hears ``back``
must assume that it missed notices. Neighbour: :mod:`router.accounts.store`, which opens the connection.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from psycopg import AsyncConnection, Error
from psycopg.sql import SQL, Identifier

BEAT_S = 1.0
"""Between two beats; also how long an unannounced loss stays unnoticed while nothing is sent."""
PATIENCE_S = 2.0
"""How long a beat may take before the connection is given up."""
AGAIN_S = 0.25
"""Between two attempts to connect."""

Connect = Callable[[], Awaitable[AsyncConnection[Any]]]
Heard = Callable[[str], None]
"""Receives a notice's payload; must not block."""
Hook = Callable[[], None]

_log = logging.getLogger(__name__)


class Pulse:
    """Beats until cancelled, whatever the database does."""

    def __init__(self, connect: Connect) -> None:
        """``connect`` opens a connection in autocommit mode, or raises within a bounded time."""
        self._connect = connect
        self._heard: dict[str, list[Heard]] = {}
        self._listening: dict[str, asyncio.Event] = {}
        self._hooks: list[tuple[Hook, Hook]] = []
        self._nap: asyncio.Timeout | None = None
        self._clock = (datetime.min.replace(tzinfo=UTC), 0.0)
        self._here = asyncio.Event()

    @property
    def alive(self) -> bool:
        """Whether the last beat found the database."""
        return self._here.is_set()

    def now(self) -> datetime:
        """The database's clock; goes on by this machine's monotonic one, which no one sets."""
        read, at = self._clock
        return read + timedelta(seconds=time.monotonic() - at)

    def on_change(self, lost: Hook, back: Hook) -> None:
        """Call ``lost`` when the database goes away and ``back`` when it is there again."""
        self._hooks.append((lost, back))

    async def listen(self, channel: str, heard: Heard) -> None:
        """Have ``heard`` called for every notice on ``channel``; returns once the database knows, if it is there."""
        self._heard.setdefault(channel, []).append(heard)
        listening = self._listening.setdefault(channel, asyncio.Event())
        self.hurry()
        if self.alive:
            await listening.wait()

    def hurry(self) -> None:
        """Beat now: somebody has a reason to doubt the connection."""
        if self._nap is not None and not self._nap.expired():
            self._nap.reschedule(0)

    async def first(self) -> None:
        """Return once the clock is known and notices are heard; :meth:`run` must be under way."""
        await self._here.wait()

    async def run(self) -> NoReturn:
        """Connect, listen, beat; and again whenever that ends."""
        while True:
            try:
                connection = await self._connect()
                try:
                    await self._live(connection)
                finally:
                    await connection.close()
            except (Error, OSError, TimeoutError) as exc:
                self._lose(str(exc).strip().partition("\n")[0] or type(exc).__name__)
            await asyncio.sleep(AGAIN_S)

    async def _live(self, connection: AsyncConnection[Any]) -> None:
        listened: set[str] = set()
        while True:
            await self._beat(connection)
            for channel in self._listening.keys() - listened:
                await connection.execute(SQL("LISTEN {}").format(Identifier(channel)))
                listened.add(channel)
                self._listening[channel].set()
            self._come_back()
            await self._hear(connection)

    async def _hear(self, connection: AsyncConnection[Any]) -> None:
        try:
            async with asyncio.timeout(2 * BEAT_S) as self._nap:
                async for notice in connection.notifies(timeout=BEAT_S):
                    for heard in self._heard.get(notice.channel, ()):
                        heard(notice.payload)
        except TimeoutError:
            return
        finally:
            self._nap = None

    async def _beat(self, connection: AsyncConnection[Any]) -> None:
        began = time.monotonic()
        with hanging_up(connection, PATIENCE_S):
            row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
        ended = time.monotonic()
        if row is not None:
            self._clock = (row[0], (began + ended) / 2)

    def _come_back(self) -> None:
        if not self.alive:
            self._here.set()
            _log.info("the database is there")
            for _, back in self._hooks:
                back()

    def _lose(self, cause: str) -> None:
        if self.alive:
            _log.warning("the database is away: %s", cause)
            self._here.clear()
            for listening in self._listening.values():
                listening.clear()
            for lost, _ in self._hooks:
                lost()


class hanging_up:  # noqa: N801 - reads as what it does, like contextlib.suppress
    """A deadline that does not rely on the server: it ends the connection, so that whoever waits for it wakes up.

    A cancelled query would first ask the server to cancel it, and wait for that.
    """

    def __init__(self, connection: AsyncConnection[Any], seconds: float) -> None:
        """``seconds`` from entering the block."""
        self._connection, self._seconds = connection, seconds

    def __enter__(self) -> None:
        """Start the clock."""
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._hang_up)

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self._timer.cancel()

    def _hang_up(self) -> None:
        if not self._connection.closed:
            with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
