"""A line to the database for one caller that sends the same statement again and again.

A statement is prepared once and goes straight to the driver, each time as a transaction of its own: half the time, and
less than half the CPU, of a connection from the pool. Invariant: whatever goes wrong ends the connection, so that the
next statement finds a new one. Neighbour: :mod:`router.accounts.store` opens it and says what being away means.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from psycopg import AsyncConnection, Error
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql.psycopg import dialect

from router.accounts.errors import StoreUnavailableError
from router.accounts.pulse import hanging_up


class BadValueError(Exception):
    """The database blames the values of a statement, not itself; they will be as bad the next time."""


_BAD_VALUES = ("22", "23")
"""SQLSTATEs, by their beginning, that blame the values."""


class Line:
    """Connects when it is first used. Its statements come one after the other, never two at once."""

    def __init__(self, connect: Callable[[], Awaitable[AsyncConnection[Any]]], statement: TextClause) -> None:
        """``connect`` opens a connection in autocommit mode, or raises within a bounded time."""
        self._connect = connect
        self._statement = str(statement.compile(dialect=dialect()))  # type: ignore[no-untyped-call]
        self._connection: AsyncConnection[Any] | None = None
        self._stale = False

    async def send(self, values: Mapping[str, object], deadline_s: float) -> None:
        """Have the statement committed.

        Raises:
            StoreUnavailableError: the database is away or took longer; whether it was committed is then unknown.
            BadValueError: the database will not have these values.

        """
        try:
            if self._stale:
                await self.close()
            if self._connection is None:
                self._connection = await self._connect()
            with hanging_up(self._connection, deadline_s):
                await self._connection.execute(self._statement, values, prepare=True)
        except (Error, OSError) as exc:
            await self.close()
            state = getattr(exc, "sqlstate", None) or ""
            if state.startswith(_BAD_VALUES):
                raise BadValueError(state) from exc
            msg = f"the database does not take it (SQLSTATE {state or 'unknown'})"
            raise StoreUnavailableError(msg) from exc

    def forget(self) -> None:
        """The database went away: a connection from before would only tell so when it is used."""
        self._stale = True

    async def close(self) -> None:
        """End the connection; the next statement opens another."""
        connection, self._connection, self._stale = self._connection, None, False
        if connection is not None:
            await connection.close()
