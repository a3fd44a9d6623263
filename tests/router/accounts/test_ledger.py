"""What is written to the ledger is in it, once."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from router.accounts.errors import SpoolError
from router.accounts.facts import Attempt, Used
from router.accounts.group import Entry, encode, halves
from router.accounts.store import Store
from tests.router.accounts.written import (
    add_tenants,
    attempt,
    entries,
    read,
    request_ids,
    running,
    totals_differ,
)

pytestmark = pytest.mark.anyio


async def test_every_field_arrives(store: Store, tmp_path: Path) -> None:
    """A row says exactly what the attempt said."""
    await add_tenants(store, "acme")
    told = attempt(store.now(), cost_micros=12_345_678_901, stream=False, outcome="cut", reason='it\'s "odd" \\ ☂')
    async with running(store, tmp_path) as ledger:
        await ledger.write([Entry(told)])
        (row,) = await read(store, "SELECT * FROM ledger")
    assert Attempt(**row._asdict()) == told


async def test_durable_when_written(store: Store, database: str, tmp_path: Path) -> None:
    """A row can be read by others as soon as its writer goes on."""
    await add_tenants(store, "acme")
    other = await Store.open(database, connections=1)
    async with running(store, tmp_path) as ledger:
        for number in range(1, 6):
            await ledger.write(entries(store.now(), 2))
            assert len(await request_ids(other)) == 2 * number
    await other.close()


async def test_many_writers_share_commits(store: Store, tmp_path: Path) -> None:
    """Whoever waits at the same time is committed by the same statement."""
    await add_tenants(store, "acme")
    async with running(store, tmp_path) as ledger:
        before = store.statements
        await asyncio.gather(*(ledger.write(entries(store.now(), 1)) for _ in range(500)))
        assert store.statements - before <= 3
        assert len(await request_ids(store)) == 500


async def test_once(store: Store, database: str, tmp_path: Path) -> None:
    """The same rows, sent again and by two gateways at once, count once; new rows among them count."""
    await add_tenants(store, "acme", "other")
    sent = [*entries(store.now(), 20), *entries(store.now(), 20, tenant="other", model="tiny-large")]
    second = await Store.open(database, connections=2)
    async with running(store, tmp_path) as one, running(second, tmp_path, "gateway2") as two:
        await asyncio.gather(*(ledger.write(sent) for ledger in (one, two, one, two)))
        await one.write([*sent, *entries(store.now(), 1), *sent])
    await second.close()
    assert len(await request_ids(store)) == 41
    assert await totals_differ(store) == []
    assert sum(row.requests for row in await read(store, "SELECT requests FROM usage_days")) == 41


async def test_totals(store: Store, tmp_path: Path) -> None:
    """The daily totals are the sums of the rows, by the day of the row in UTC."""
    await add_tenants(store, "acme", "other")
    noon = store.now().replace(hour=12)
    async with running(store, tmp_path) as ledger:
        await asyncio.gather(
            ledger.write(entries(noon, 3)),
            ledger.write(entries(noon - timedelta(days=1), 4, tenant="other")),
            ledger.write(entries(noon, 5, outcome="gone", completion_tokens=0)),
        )
        await ledger.write(entries(noon, 6))
    assert await totals_differ(store) == []
    totals = await read(store, "SELECT tenant, outcome, requests FROM usage_days ORDER BY requests")
    assert totals == [("other", "complete", 4), ("acme", "gone", 5), ("acme", "complete", 9)]


async def test_deleted_tenant(store: Store, tmp_path: Path) -> None:
    """Nothing is written of a tenant that was deleted, and others' rows beside it are."""
    await add_tenants(store, "acme")
    async with running(store, tmp_path) as ledger:
        await ledger.write([*entries(store.now(), 2), *entries(store.now(), 3, tenant="deleted")])
        assert await read(store, "SELECT tenant, count(*) FROM ledger GROUP BY tenant") == [("acme", 2)]
        assert await read(store, "SELECT tenant, requests FROM usage_days") == [("acme", 2)]


async def test_refused_row(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row that no database takes is put aside, loudly, and takes no other row with it."""
    await add_tenants(store, "acme")
    odd = attempt(store.now(), prompt_tokens=2**40)
    with caplog.at_level(logging.ERROR):
        async with running(store, tmp_path) as ledger:
            await ledger.write([*entries(store.now(), 3), Entry(odd), *entries(store.now(), 3)])
    assert len(await request_ids(store)) == 6
    line, uses = (tmp_path / "refused.jsonl").read_bytes().splitlines()
    assert orjson.loads(line)[0]["request_id"] == odd.request_id
    assert orjson.loads(uses) == []
    assert "refused.jsonl" in caplog.text


async def test_writer_that_leaves(store: Store, tmp_path: Path) -> None:
    """A writer that is cancelled while it waits has its row written all the same, and disturbs nobody."""
    await add_tenants(store, "acme")
    async with running(store, tmp_path) as ledger:
        leaving = asyncio.create_task(ledger.write(entries(store.now(), 1)))
        await asyncio.sleep(0)
        leaving.cancel()
        await ledger.write(entries(store.now(), 1))
        assert leaving.cancelled()
    assert len(await request_ids(store)) == 2


async def test_after_its_end(store: Store, tmp_path: Path) -> None:
    """A ledger that has ended says so instead of letting anybody wait forever."""
    async with running(store, tmp_path) as ledger:
        pass
    with pytest.raises(SpoolError, match="closed"):
        await ledger.write(entries(store.now(), 1))


@pytest.mark.parametrize("evil", ["'; DROP TABLE ledger; --", "$1", ":rows", "%s", '"}]', "\\u0041", "\n"], ids=repr)
async def test_sql_in_values(store: Store, tmp_path: Path, evil: str) -> None:
    """Text is text, whatever it looks like."""
    await add_tenants(store, evil)
    async with running(store, tmp_path) as ledger:
        await ledger.write(entries(store.now(), 1, tenant=evil, model=evil, key_id=evil))
        assert await read(store, "SELECT tenant, model, key_id FROM ledger") == [(evil, evil, evil)]


def test_given_twice() -> None:
    """An entry that is twice in a group travels once."""
    one = attempt(datetime(2026, 11, 21, tzinfo=UTC))
    rows, uses = encode([Entry(one), Entry(one), Entry(one._replace(attempt=2))]).split(b"\n")
    assert [row["attempt"] for row in orjson.loads(rows)] == [1, 2]
    assert orjson.loads(uses) == []


@pytest.mark.parametrize("count", [1, 2, 3, 8], ids=str)
def test_halves(count: int) -> None:
    """A group falls into two, each row with what it used; a group of one row stays as it is."""
    moment = datetime(2026, 11, 21, tzinfo=UTC)
    used = Used("messages_per_month", moment, 1, 1)
    whole = [Entry(attempt(moment, request_id=f"req_{number}"), (used,)) for number in range(count)]
    middle = count // 2
    assert halves(encode(whole)) == [encode(part) for part in (whole[:middle], whole[middle:]) if part]
