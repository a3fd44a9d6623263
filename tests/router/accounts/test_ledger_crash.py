"""``kill -9`` to gateways, and to the database, under load: whatever was said to be durable is there, once."""

from __future__ import annotations

import asyncio
import random
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from router.accounts.store import Store
from tests.router.accounts.breakable import Breakable
from tests.router.accounts.written import add_tenants, names, read, running, totals_differ, until

pytestmark = pytest.mark.anyio

KILLS = 5
_WINDOW = (
    "INSERT INTO quota_windows (tenant, kind, window_start)"
    " VALUES ('acme', 'messages_per_month', date_trunc('month', now(), 'UTC')) RETURNING used"
)


async def _gateway(url: str, spool: Path, name: str) -> Process:
    command = [sys.executable, "-m", "tests.router.accounts.writing", url, str(spool), name]
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)


async def _said(process: Process, lines: int) -> list[str]:
    """What a gateway called durable: the next so many lines, or all there are when it has ended."""
    assert process.stdout is not None
    ids: list[str] = []
    while lines and (line := await process.stdout.readline()).endswith(b"\n"):
        ids += line.decode().split()
        lines -= 1
    return ids


async def _is_exact(store: Store, durable: list[str]) -> None:
    """Every row that was called durable is there, none twice; totals and quota agree with the rows."""
    rows = await read(store, "SELECT request_id, outcome FROM ledger")
    assert set(durable) <= {row.request_id for row in rows}
    assert len(rows) == len({row.request_id for row in rows})
    assert await totals_differ(store) == []
    ((used,),) = await read(store, "SELECT used FROM quota_windows")
    assert used == sum(row.outcome == "complete" for row in rows)


async def test_gateways_are_killed(store: Store, database: str, tmp_path: Path) -> None:
    """At any moment of their work, while another one goes on."""
    await add_tenants(store, "acme")
    await read(store, _WINDOW)
    chance, durable = random.Random(7), []  # noqa: S311 - any moment will do
    peer = await _gateway(database, tmp_path, "peer")
    for number in range(KILLS):
        gateway = await _gateway(database, tmp_path, f"gateway{number}")
        durable += await _said(gateway, chance.randrange(1, 200))
        gateway.kill()
        durable += await _said(gateway, -1)
        durable += await _said(peer, 50)
        await gateway.wait()
    assert peer.stdin is not None
    peer.stdin.close()
    durable += await _said(peer, -1)
    assert await peer.wait() == 0
    await _is_exact(store, durable)


async def test_gateways_and_database_are_killed(tmp_path: Path) -> None:
    """The database dies under the gateways, they die with rows on the disk, and all of it comes back."""
    async with Breakable() as database:
        store = await Store.open(database.url, connections=2)
        await add_tenants(store, "acme")
        await read(store, _WINDOW)
        durable: list[str] = []
        for number in range(3):
            gateway = await _gateway(database.url, tmp_path, f"gateway{number}")
            durable += await _said(gateway, 100)
            await database.kill()
            durable += await _said(gateway, 200)
            gateway.kill()
            durable += await _said(gateway, -1)
            await gateway.wait()
            assert names(tmp_path)
            await database.start()
        await until(lambda: store.available)
        async with running(store, tmp_path, "last"):
            await until(lambda: not list(tmp_path.glob("*.log")))
        await _is_exact(store, durable)
        await store.close()


async def test_a_gateway_that_ends(store: Store, database: str, tmp_path: Path) -> None:
    """One that is asked to end writes everything first and leaves nothing on the disk."""
    await add_tenants(store, "acme")
    await read(store, _WINDOW)
    gateway = await _gateway(database, tmp_path, "gateway")
    durable = await _said(gateway, 50)
    assert gateway.stdin is not None
    gateway.stdin.close()
    durable += await _said(gateway, -1)
    assert await gateway.wait() == 0
    await _is_exact(store, durable)
    assert sorted(durable) == [row.request_id for row in await read(store, "SELECT request_id FROM ledger ORDER BY 1")]
