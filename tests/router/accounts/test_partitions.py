"""Every row finds a place, months are made ahead, and only what is old enough goes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from router.accounts.partitions import AHEAD, prepare, retire
from router.accounts.store import Store
from tests.router.accounts.written import add_tenants, entries, names, read, request_ids, running, totals_differ

pytestmark = pytest.mark.anyio

_NAMES = (
    "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname <> 'ledger_default' ORDER BY 1"
)


async def _partitions(store: Store) -> list[str]:
    return [row.relname for row in await read(store, _NAMES) if row.relname != "ledger_default"]


def _name(month: datetime) -> str:
    return f"ledger_{month:%Y_%m}"


async def _age(store: Store, months: int) -> datetime:
    """A moment in the month that was so many months ago."""
    (row,) = await read(store, "SELECT date_trunc('month', now(), 'UTC') - make_interval(months => :m) AS at", m=months)
    moment: datetime = row.at
    return moment.astimezone(UTC)


async def test_made_ahead(store: Store) -> None:
    """This month and the next ones have partitions; making them again, or by many at once, changes nothing."""
    await prepare(store)
    first = await _partitions(store)
    assert len(first) == AHEAD + 1
    assert first[0] == _name(store.now())
    await asyncio.gather(*(prepare(store) for _ in range(4)))
    assert await _partitions(store) == first


@pytest.mark.parametrize("days", [0, 40, 400, -400], ids=str)
async def test_default_and_move(store: Store, tmp_path: Path, days: int) -> None:
    """A row of a month without partition goes to the default one, and later moves; it counts once throughout."""
    await add_tenants(store, "acme")
    at = store.now() + timedelta(days=days)
    sent = entries(at, 5)
    async with running(store, tmp_path) as ledger:
        await ledger.write(sent)
        assert len(await read(store, "SELECT FROM ledger_default")) == 5
        await prepare(store)
        assert await read(store, "SELECT FROM ledger_default") == []
        assert len(await read(store, f"SELECT FROM {_name(at.astimezone(UTC))}")) == 5
        await ledger.write([*sent, *entries(at, 1)])
    assert len(await request_ids(store)) == 6
    assert await totals_differ(store) == []


async def test_rows_while_months_are_made(store: Store, tmp_path: Path) -> None:
    """Whoever writes while partitions are made loses nothing."""
    await add_tenants(store, "acme")
    sent = entries(store.now(), 300)
    async with running(store, tmp_path) as ledger:

        async def write() -> None:
            for entry in sent:
                await ledger.write([entry])

        writing = asyncio.create_task(write())
        await prepare(store)
        await writing
        await prepare(store)
    assert await request_ids(store) == sorted(entry.attempt.request_id for entry in sent)
    assert await read(store, "SELECT FROM ledger_default") == []
    assert await totals_differ(store) == []
    assert names(tmp_path) == []


async def test_retention(store: Store, tmp_path: Path) -> None:
    """The oldest month beyond the limit goes, one at a time; younger months and the daily totals stay."""
    await add_tenants(store, "acme")
    async with running(store, tmp_path) as ledger:
        for months in (1, 2, 3, 4):
            await ledger.write(entries(await _age(store, months), 2))
        await prepare(store)
        oldest, older = _name(await _age(store, 4)), _name(await _age(store, 3))
        assert await retire(store, 2) == oldest
        assert await retire(store, 2) == older
        assert await retire(store, 2) == ""
        assert len(await request_ids(store)) == 4
        assert (await read(store, "SELECT sum(requests) AS requests FROM usage_days"))[0].requests == 8


async def test_clocks_disagree(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is dropped while the database's clock and this machine's tell different days."""
    await prepare(store)
    later = store.now() + timedelta(days=400)
    monkeypatch.setattr(store, "now", lambda: later)
    assert await retire(store, 1) == ""
    assert len(await _partitions(store)) == AHEAD + 1


async def test_rows_are_found_by_their_month(store: Store) -> None:
    """A question about one month reads that month's partition alone."""
    await prepare(store)
    month = await _age(store, 0)
    plan = await read(
        store,
        "EXPLAIN SELECT count(*) FROM ledger WHERE at >= CAST(:a AS timestamptz) AND at < CAST(:b AS timestamptz)",
        a=month,
        b=month + timedelta(days=2),
    )
    scanned = {word for row in plan for word in str(row[0]).split() if word.startswith("ledger_")}
    assert scanned
    assert all(word.startswith(_name(month)) for word in scanned)


async def test_index_of_a_new_month(store: Store) -> None:
    """A month's partition has the same indexes as the ledger, so that deletions of a tenant stay quick."""
    await prepare(store)
    async with store.begin() as connection:
        found = await connection.scalars(
            text("SELECT indexdef FROM pg_indexes WHERE tablename = :name"), {"name": _name(store.now())}
        )
        assert sorted(line.partition(" USING ")[2] for line in found) == [
            "btree (at, request_id, attempt)",
            "btree (request_id)",
            "btree (tenant, at)",
        ]
