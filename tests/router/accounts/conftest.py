"""A real PostgreSQL, with real commits: one server a session, one fresh database a test."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest

from cluster.supervise.postgres import NAME, Postgres
from router.accounts.migrations import migrate
from router.accounts.store import Store


class Server:
    """The session's PostgreSQL; makes databases."""

    def __init__(self, postgres: Postgres) -> None:
        """``postgres`` runs."""
        self.postgres = postgres
        self._numbers = itertools.count(1)
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)
        self._admin.execute("CREATE DATABASE template")
        migrate(self.url("template"))

    def url(self, name: str) -> str:
        """The address of one of its databases."""
        return self.postgres.url.replace(f"@/{NAME}?", f"@/{name}?")

    def create(self, *, empty: bool = False) -> str:
        """A new database, with the tables of this version unless ``empty``; its address."""
        name = f"test{next(self._numbers)}"
        template = "template1" if empty else "template"
        self._admin.execute(f'CREATE DATABASE "{name}" TEMPLATE {template}'.encode())
        return self.url(name)

    def close(self) -> None:
        """Let go of it; whoever started it stops it."""
        self._admin.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server for all tests of a session; those that stop or break it start their own."""
    with tempfile.TemporaryDirectory(prefix="fh-pg-", ignore_cleanup_errors=True) as directory:
        root = Path(directory)
        postgres = Postgres(root / "postgres", root, root / "postgres.log", connections=200)
        process = postgres.start(os.environ)
        server = Server(postgres)
        yield server
        server.close()
        process.send_signal(signal.SIGQUIT)  # its data go anyway, so none need to be written
        process.wait()


@pytest.fixture
def database(server: Server) -> str:
    """The address of a fresh database with all tables and no rows."""
    return server.create()


@pytest.fixture
async def store(database: str) -> AsyncIterator[Store]:
    """A store on a fresh database."""
    opened = await Store.open(database, connections=4)
    yield opened
    await opened.close()
