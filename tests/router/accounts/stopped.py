"""A stopped clock, of a database and its gateways: functions that stand before PostgreSQL's own in its search path."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg

START = datetime(2026, 3, 14, 9, 26, 30, tzinfo=UTC)

_SCHEMA = """
CREATE SCHEMA clock;
CREATE TABLE clock.hands (at timestamptz NOT NULL);
CREATE FUNCTION clock.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM clock.hands';
CREATE FUNCTION clock.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM clock.hands';
"""


class StoppedClock:
    """Time that passes only by :meth:`advance`, the same for a database and for those that call it."""

    def __init__(self, url: str, start: datetime = START) -> None:
        """Stop the database's clock; for connections that are opened from now on."""
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute(_SCHEMA)
        self._connection.execute("INSERT INTO clock.hands VALUES (%s)", (start,))
        name = self._connection.info.dbname
        self._connection.execute(f'ALTER DATABASE "{name}" SET search_path = clock, pg_catalog, public'.encode())
        self.now = start
        self._monotonic = 1000.0

    def __call__(self) -> float:
        """The monotonic clock, in seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic += seconds
        self.now += timedelta(seconds=seconds)
        self._connection.execute("UPDATE clock.hands SET at = %s", (self.now,))

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
