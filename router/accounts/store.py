"""The database: the only module that opens connections to it. Everything else in accounts asks for a transaction here.

Invariant: no transaction lasts longer than its deadline, also when the server hangs or the network swallows packets;
a database that is away is one error, :class:`StoreUnavailableError`, and comes back by itself.
Neighbour: :mod:`router.accounts.pulse` keeps the database's clock, its notices and whether it is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Self

from psycopg import AsyncConnection as Psycopg
from psycopg import Error, InterfaceError, OperationalError
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, TextClause, event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from router.accounts.errors import StoreUnavailableError
from router.accounts.line import Line
from router.accounts.pulse import Heard, Hook, Pulse, hanging_up
from router.accounts.url import with_driver

DEADLINE_S = 5.0
"""A transaction's time, unless its caller says otherwise; waiting for a free connection may take as long again."""
_CONNECTION: dict[str, str | int] = {
    "application_name": "freehold",
    "connect_timeout": 3,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
}
"""How soon a silent server is given up: libpq's settings, in seconds, the last in milliseconds."""
_AWAY = ("08", "53", "57P", "25006", "58", "XX")
"""SQLSTATEs, by their beginning, with which a database says that it cannot work: connections, resources (a full disk),
shutting down, read-only (a standby), the system below it, its own files."""


class Store:
    """A pool of connections, and the pulse of the database behind it."""

    def __init__(self, url: URL, connections: int) -> None:
        """Use :meth:`open`."""
        self._engine = _engine(url, connections)
        self._alone = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._dsn = make_conninfo(plain, **_CONNECTION)
        self._pulse = Pulse(self._connect)
        self._pulse.on_change(self._forget_connections, _nothing)
        self._beating: asyncio.Task[None] | None = None
        self._era = 0
        self._closed = False
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._quiet.set()
        self.statements = 0
        """Statements sent so far on behalf of callers; the pulse's own are not counted."""
        event.listen(self._engine.sync_engine, "before_cursor_execute", self._count)
        event.listen(self._engine.sync_engine, "connect", self._date)
        event.listen(self._engine.sync_engine, "checkout", self._refuse_stale)

    @classmethod
    async def open(cls, url: str, connections: int) -> Self:
        """Connect with a pool of at most ``connections``, and one more for the pulse.

        Raises:
            StoreUnavailableError: the database does not answer; a supervisor starts the gateway again later.

        """
        store = cls(with_driver(url), connections)
        try:
            await (await store._connect()).close()
            await store._start()
        except (Error, OSError) as exc:
            await store.close()
            raise _unavailable(exc) from exc
        return store

    async def _start(self) -> None:
        self._beating = asyncio.create_task(self._pulse.run())
        async with asyncio.timeout(DEADLINE_S):
            await self._pulse.first()

    async def close(self) -> None:
        """Close every connection, once the transactions under way have ended; the pool knows only those at rest."""
        self._closed = True
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        with suppress(TimeoutError):
            async with asyncio.timeout(DEADLINE_S):
                await self._quiet.wait()
        await self._engine.dispose()

    @property
    def available(self) -> bool:
        """Whether the database answered at its last beat."""
        return self._pulse.alive

    def now(self) -> datetime:
        """The database's clock, in UTC, without asking it; setting this machine's clock changes nothing."""
        return self._pulse.now()

    def begin(self, deadline_s: float = DEADLINE_S) -> AbstractAsyncContextManager[AsyncConnection]:
        """A transaction that is committed when the block is left, or rolled back when an error leaves it.

        Raises:
            StoreUnavailableError: the database is away, hangs for ``deadline_s`` or has no connection free; whether a
                commit under way took place is then unknown.

        """
        return self._bounded(self._engine.begin(), deadline_s)

    def autocommit(self, deadline_s: float = DEADLINE_S) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection on which each statement is a transaction by itself, and so one round trip. Raises as above."""
        return self._bounded(self._alone.connect(), deadline_s)

    def line(self, statement: TextClause) -> Line:
        """A connection of its own for a statement that is sent again and again; it is not one of the pool's."""
        line = Line(self._connect, statement)
        self._pulse.on_change(line.forget, _nothing)
        return line

    @asynccontextmanager
    async def _bounded(
        self, opening: AbstractAsyncContextManager[AsyncConnection], deadline_s: float
    ) -> AsyncIterator[AsyncConnection]:
        if self._closed:
            msg = "the database is not used any more: the gateway ends"
            raise StoreUnavailableError(msg)
        self._under_way += 1
        self._quiet.clear()
        try:
            async with opening as connection:
                with hanging_up(_psycopg(connection), deadline_s):
                    yield connection
        except (DBAPIError, DisconnectionError, PoolTimeoutError) as exc:
            if not _is_away(exc):
                raise
            self._pulse.hurry()
            raise _unavailable(exc) from exc
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._quiet.set()

    async def listen(self, channel: str, heard: Heard) -> None:
        """Have ``heard`` called with the payload of every notice on ``channel``, again after every reconnection."""
        await self._pulse.listen(channel, heard)

    def on_change(self, lost: Hook, back: Hook) -> None:
        """Call ``lost`` when the database goes away, ``back`` when it is there again: notices were missed between."""
        self._pulse.on_change(lost, back)

    async def notify(self, channel: str, payload: str) -> None:
        """Send a notice to every listener, in a transaction of its own."""
        async with self.begin() as connection:
            await connection.execute(
                text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload}
            )

    async def _connect(self) -> Psycopg[Any]:
        return await Psycopg.connect(self._dsn, autocommit=True)

    def _count(self, *_: object) -> None:
        self.statements += 1

    # A connection from before the database went away would only tell so when it is used.

    def _forget_connections(self) -> None:
        self._era += 1

    def _date(self, _: object, record: ConnectionPoolEntry) -> None:
        record.info["era"] = self._era

    def _refuse_stale(self, _: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info["era"] != self._era:
            raise DisconnectionError


def _engine(url: URL, connections: int) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=DEADLINE_S,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args=_CONNECTION,
    )


def _psycopg(connection: AsyncConnection) -> Psycopg[Any]:
    sync = connection.sync_connection
    driver: Psycopg[Any] = sync.connection.driver_connection  # type: ignore[union-attr, assignment]
    return driver


def _is_away(exc: Exception) -> bool:
    if not isinstance(exc, DBAPIError):
        return True
    state = getattr(exc.orig, "sqlstate", None)
    if state is None:
        return exc.connection_invalidated or isinstance(exc.orig, OperationalError | InterfaceError)
    return exc.connection_invalidated or state.startswith(_AWAY)


def _unavailable(exc: Exception) -> StoreUnavailableError:
    cause = str(getattr(exc, "orig", exc)).strip().partition("\n")[0]
    return StoreUnavailableError(f"the database is away: {cause or type(exc).__name__}")


def _nothing() -> None:
    """Nobody needs to do anything when the database is back."""
