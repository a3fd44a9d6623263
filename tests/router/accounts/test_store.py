"""Transactions, the database's clock, its notices; and what of them is left while it is away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from router.accounts.errors import StoreUnavailableError
from router.accounts.store import Store
from tests.router.accounts.written import read
from tests.router.engine import until

pytestmark = pytest.mark.anyio

_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
_OF_A_STORE = 2
"""Connections of a store that nobody else uses: the pulse's, and that of who asks."""


async def test_commit_and_rollback(store: Store) -> None:
    """A block that ends commits, one that raises leaves nothing."""
    async with store.begin() as connection:
        await connection.execute(text("INSERT INTO tenants (name, plan) VALUES ('a', 'p')"))

    async def twice() -> None:
        async with store.begin() as connection:
            await connection.execute(text("INSERT INTO tenants (name, plan) VALUES ('b', 'p')"))
            await connection.execute(text("INSERT INTO tenants (name, plan) VALUES ('a', 'p')"))

    with pytest.raises(IntegrityError):
        await twice()
    async with store.begin() as connection:
        assert (await connection.scalars(text("SELECT name FROM tenants"))).all() == ["a"]


async def test_counts_statements(store: Store) -> None:
    """Only callers' statements count, so that a test can say that a path sends none."""
    before = store.statements
    async with store.begin() as connection:
        await connection.execute(text("SELECT 1"))
    assert store.statements == before + 1


async def test_clock(store: Store) -> None:
    """The database's clock is known without asking, to a fraction of a second."""
    async with store.begin() as connection:
        read = await connection.scalar(text("SELECT clock_timestamp()"))
    assert isinstance(read, datetime)
    assert store.now().tzinfo == UTC or store.now().utcoffset() == timedelta(0)
    assert abs(store.now() - read) < timedelta(seconds=2)


async def test_notices(store: Store, database: str) -> None:
    """What one gateway says, all hear, in order, with any text in it."""
    other = await Store.open(database, connections=1)
    heard: list[str] = []
    done = asyncio.Event()

    def hear(payload: str) -> None:
        heard.append(payload)
        if payload == "last":
            done.set()

    await store.listen("news", hear)
    for word in ("first", "'; DROP TABLE keys; --", "last"):
        await other.notify("news", word)
    await asyncio.wait_for(done.wait(), 10)
    await other.close()
    assert heard == ["first", "'; DROP TABLE keys; --", "last"]


async def test_closing_waits_for_what_is_under_way(store: Store, database: str) -> None:
    """A transaction that has begun is committed, one that is broken off leaves its connection, and none stays open."""
    other = await Store.open(database, connections=2)
    begun, go_on = asyncio.Barrier(3), asyncio.Event()

    async def insert(name: str) -> None:
        async with other.begin() as connection:
            await connection.execute(text("INSERT INTO tenants (name, plan) VALUES (:name, 'p')"), {"name": name})
            await begun.wait()
            await go_on.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(insert("kept"))
        leaving = group.create_task(insert("broken off"))
        await begun.wait()
        leaving.cancel()
        group.create_task(other.close())
        go_on.set()
    assert await read(store, "SELECT name FROM tenants") == [("kept",)]

    async def alone() -> bool:
        return await read(store, _OTHERS) == [(_OF_A_STORE,)]

    await until(alone)
    with pytest.raises(StoreUnavailableError, match="the gateway ends"):
        await insert("late")


async def test_hanging_transaction(store: Store) -> None:
    """A transaction ends at its deadline, however long the server would take."""

    async def sleep() -> None:
        async with store.begin(deadline_s=0.05) as connection:
            await connection.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(StoreUnavailableError):
        await sleep()
    async with store.begin() as connection:
        assert await connection.scalar(text("SELECT 1")) == 1


async def test_no_database() -> None:
    """A database that is not there is an error at once."""
    with pytest.raises(StoreUnavailableError, match="away"):
        await Store.open("postgresql://u:s3cret@127.0.0.1:1/none", connections=1)
