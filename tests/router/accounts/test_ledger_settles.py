"""Quota and money are settled with the row that used them: together, once, or not at all."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from router.accounts.facts import Used
from router.accounts.group import Entry, encode
from router.accounts.spool import Spool
from router.accounts.store import Store
from tests.router.accounts.written import add_tenants, attempt, read, running, until

pytestmark = pytest.mark.anyio

_WINDOW = text("INSERT INTO quota_windows (tenant, kind, window_start, leased) VALUES ('acme', :kind, :start, :leased)")
_LEASE = text("INSERT INTO quota_leases VALUES ('acme', :kind, :start, :gateway, 1000)")
_RESERVATION = text(
    "INSERT INTO reservations (request_id, attempt, tenant, micros, day, month, expires_at)"
    " VALUES (:request_id, 1, 'acme', 500, :start, :start, now() + interval '1 hour')"
)
_BUDGET = text("INSERT INTO budget_windows VALUES (:tenant, :kind, :start, 500)")


async def _start(store: Store, *gateways: str) -> datetime:
    """Tenant, gateways with a lease of a thousand messages each, and the window's start."""
    await add_tenants(store, "acme")
    start = store.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    values = {"kind": "messages_per_month", "start": start}
    async with store.begin() as connection:
        await connection.execute(_WINDOW, {**values, "leased": 1000 * len(gateways)})
        for gateway in gateways:
            await connection.execute(text("INSERT INTO gateways (id) VALUES (:id)"), {"id": gateway})
            await connection.execute(_LEASE, {**values, "gateway": gateway})
    return start


async def _window(store: Store) -> tuple[int, int]:
    """Used and leased."""
    ((used, leased),) = await read(store, "SELECT used, leased FROM quota_windows")
    return used, leased


async def test_quota(store: Store, tmp_path: Path) -> None:
    """What an attempt used leaves the lease and goes to what is used, once however often it is sent."""
    start = await _start(store, "gateway1")
    sent = [Entry(attempt(store.now()), (Used("messages_per_month", start, 3, 2),)) for _ in range(10)]
    async with running(store, tmp_path) as ledger:
        await ledger.write(sent)
        await ledger.write([*sent, *sent])
        assert await _window(store) == (30, 980)
        assert (await read(store, "SELECT amount FROM quota_leases"))[0].amount == 980


async def test_many_gateways(store: Store, database: str, tmp_path: Path) -> None:
    """Gateways that settle the same window at the same time neither lose nor double anything, nor block each other."""
    start = await _start(store, "gateway1", "gateway2")
    second = await Store.open(database, connections=2)

    def entries(number: int) -> list[Entry]:
        return [Entry(attempt(store.now()), (Used("messages_per_month", start, 1, 1),)) for _ in range(number)]

    async with running(store, tmp_path) as one, running(second, tmp_path, "gateway2") as two:
        await asyncio.gather(*(ledger.write(entries(number)) for number in range(1, 21) for ledger in (one, two)))
    await second.close()
    assert await _window(store) == (420, 1580)
    assert sorted(await read(store, "SELECT gateway, amount FROM quota_leases")) == [
        ("gateway1", 790),
        ("gateway2", 790),
    ]


async def test_spool_of_a_dead_gateway(store: Store, tmp_path: Path) -> None:
    """What a dead gateway used counts when its spool is adopted, though its lease has gone back."""
    start = await _start(store, "gateway1")
    spool = Spool(tmp_path, "dead")
    spool.append(encode([Entry(attempt(store.now()), (Used("messages_per_month", start, 5, 5),))]))
    spool.close()
    async with running(store, tmp_path):
        await until(lambda: not list(tmp_path.glob("*.log")))
    assert await _window(store) == (5, 1000)


@pytest.mark.parametrize("settled", [True, False], ids=["reserved", "not reserved"])
async def test_money(store: Store, tmp_path: Path, *, settled: bool) -> None:
    """A reservation ends with its row: what was reserved is free again, what it cost is spent, once."""
    start = await _start(store)
    paid = attempt(store.now(), cost_micros=120)
    async with store.begin() as connection:
        await connection.execute(_RESERVATION, {"request_id": paid.request_id, "start": start})
        for tenant in ("", "acme"):
            for kind in ("day", "month"):
                await connection.execute(_BUDGET, {"tenant": tenant, "kind": kind, "start": start})
    async with running(store, tmp_path) as ledger:
        await ledger.write([Entry(paid, reserved=settled)])
        await ledger.write([Entry(paid, reserved=settled)])
    windows = await read(store, "SELECT reserved_micros, spent_micros FROM budget_windows")
    assert windows == [(0, 120) if settled else (500, 0)] * 4
    assert len(await read(store, "SELECT FROM reservations")) == (0 if settled else 1)


async def test_window_that_is_gone(store: Store, tmp_path: Path) -> None:
    """A row is written also when the window that it used is long over and forgotten."""
    start = await _start(store, "gateway1")
    old = Used("tokens_per_minute", start - timedelta(days=90), 150, 150)
    async with running(store, tmp_path) as ledger:
        await ledger.write([Entry(attempt(store.now()), (old, Used("messages_per_month", start, 1, 1)))])
    assert len(await read(store, "SELECT FROM ledger")) == 1
    assert await _window(store) == (1, 999)
