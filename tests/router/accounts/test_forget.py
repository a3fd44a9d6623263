"""The right to be forgotten: no row of a deleted tenant is left in any table, and no one else loses one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Table, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.facts import Principal
from router.accounts.forget import forget
from router.accounts.store import Store
from router.accounts.tables import ledger, metadata, usage_days
from router.wire.errors import Refusal
from tests.router.accounts.reception import Reception
from tests.router.accounts.rows import AT, row_of

pytestmark = pytest.mark.anyio

_OF_TENANT = [table for table in metadata.sorted_tables if "tenant" in table.c]
"""From the schema itself: a table that is added later is tested here without being named."""


async def _fill(connection: AsyncConnection, tenant: str) -> None:
    """A row of this tenant in every table, and what such rows refer to."""
    for table in metadata.sorted_tables:
        if table.name == "gateways":
            await connection.execute(insert(table).values(id=f"gateway of {tenant}"))
        else:
            await connection.execute(insert(table).values(row_of(table, tenant)))


async def _rows(store: Store, table: Table, tenant: str) -> int:
    async with store.begin() as connection:
        rows = await connection.execute(select(table).where(table.c.tenant == tenant))
        return len(rows.all())


async def test_nothing_is_left_and_nobody_else_loses(store: Store) -> None:
    """Every table with a tenant is empty of it, the answer counts every row, another tenant has all of its own."""
    async with store.begin() as connection:
        await _fill(connection, "acme")
        await _fill(connection, "other")
        await connection.execute(text("UPDATE keys SET admin = tenant = 'other', expires_at = NULL, revoked_at = NULL"))
    removed = await forget(store, "acme")
    assert removed == {"tenants": 1, **{table.name: 1 for table in _OF_TENANT}}
    for table in _OF_TENANT:
        assert await _rows(store, table, "acme") == 0, table.name
        assert await _rows(store, table, "other") == 1, table.name


async def test_money_under_way_is_counted_for_the_fleet(store: Store) -> None:
    """Reservations of a deleted tenant count as spent, so that the fleet's budget never allows more than it has."""
    async with store.begin() as connection:
        for kind in ("day", "month"):
            await connection.execute(
                text("INSERT INTO budget_windows VALUES ('', :kind, :at, 1000, 50)"), {"kind": kind, "at": AT}
            )
        for request, tenant, micros in (("a", "acme", 300), ("b", "acme", 400), ("c", "other", 300)):
            await connection.execute(
                text("INSERT INTO reservations VALUES (:request, 1, :tenant, :micros, :at, :at, :at)"),
                {"request": request, "tenant": tenant, "micros": micros, "at": AT},
            )
    assert (await forget(store, "acme"))["reservations"] == 2
    async with store.begin() as connection:
        left = await connection.execute(text("SELECT kind, reserved_micros, spent_micros FROM budget_windows"))
        assert {tuple(row) for row in left} == {("day", 300, 750), ("month", 300, 750)}


@pytest.fixture
async def other(database: str) -> AsyncIterator[Store]:
    """What another gateway has."""
    opened = await Store.open(database, connections=1)
    yield opened
    await opened.close()


async def test_gateways_forget_too(store: Store, other: Store) -> None:
    """A key that another gateway knows is refused there as soon as the notice is there."""
    async with Reception(store) as here, Reception(other) as there:
        await here.tenant("acme")
        key, _ = await here.key("acme")
        assert isinstance(await there.admit(key), Principal)
        await forget(store, "acme")
        assert await there.until("invalid_api_key", key) == "invalid_api_key"


async def test_long_histories_go_in_pieces(store: Store) -> None:
    """However many rows, each transaction takes so many, and all go."""
    async with store.begin() as connection:
        rows = [{**row_of(ledger, "acme"), "request_id": f"r{number}"} for number in range(95)]
        await connection.execute(insert(ledger), rows)
    before = store.statements
    assert (await forget(store, "acme", piece=10))["ledger"] == 95
    assert store.statements - before > 10


async def test_an_interrupted_deletion(store: Store) -> None:
    """While rows are left of a deleted tenant its name stays taken; deleting it again removes them."""
    reception = Reception(store)
    async with store.begin() as connection:
        await connection.execute(insert(usage_days).values(row_of(usage_days, "acme")))
    with pytest.raises(Refusal) as caught:
        await reception.tenant("acme")
    assert caught.value.code == "tenant_not_forgotten"
    assert (await forget(store, "acme"))["usage_days"] == 1
    assert (await reception.tenants.create("acme", None, {})).name == "acme"


async def test_nobody_to_forget(store: Store) -> None:
    """404 where there is no trace of that name."""
    with pytest.raises(Refusal) as caught:
        await forget(store, "nobody")
    assert caught.value.status == 404


async def test_the_last_admin_stays(store: Store) -> None:
    """A tenant with the only admin key is not deleted, and loses nothing."""
    reception = Reception(store)
    await reception.tenant("acme")
    key, _ = await reception.key("acme", admin=True)
    with pytest.raises(Refusal) as caught:
        await forget(store, "acme")
    assert caught.value.code == "last_admin_key"
    assert isinstance(await reception.admit(key), Principal)


async def test_a_writer_under_way_is_waited_for(store: Store) -> None:
    """A transaction that holds the tenant's row may still write; what it wrote is deleted, too."""
    reception = Reception(store)
    await reception.tenant("acme")
    async with store.begin() as writer:
        await writer.execute(text("SELECT name FROM tenants WHERE name = 'acme' FOR KEY SHARE"))
        deleting = asyncio.create_task(forget(store, "acme"))
        await _until_someone_waits(store)
        await writer.execute(insert(usage_days).values(row_of(usage_days, "acme")))
    assert (await deleting)["usage_days"] == 1


async def _until_someone_waits(store: Store) -> None:
    async with asyncio.timeout(10):
        while True:
            async with store.begin() as connection:
                if await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
                    return
