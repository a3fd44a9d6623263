"""A database that goes away: a real one, for everybody but the test."""

from __future__ import annotations

from typing import Self

import psycopg


class Outage:
    """Takes one database away from everyone but itself, and brings it back."""

    def __init__(self, url: str, outside: str) -> None:
        """Connect while that is possible; ``outside`` is another database of the server."""
        self.connection = psycopg.connect(url, autocommit=True)
        self._outside = psycopg.connect(outside, autocommit=True)
        self._name = self.connection.info.dbname

    def begin(self) -> None:
        """No new connections; those that are open end."""
        self._allow("false")
        self.connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
            [self._name],
        )

    def end(self) -> None:
        """Connections are taken again."""
        self._allow("true")

    def _allow(self, value: str) -> None:
        self._outside.execute(f'ALTER DATABASE "{self._name}" ALLOW_CONNECTIONS {value}'.encode())

    def __enter__(self) -> Self:
        """Nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Bring it back in any case."""
        self.end()
        self.connection.close()
        self._outside.close()
