"""The database goes away, hangs, or comes back while rows are written: none is lost, none counts twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.accounts import ledger as ledger_module
from router.accounts.errors import SpoolError, StoreUnavailableError
from router.accounts.group import encode
from router.accounts.spool import Spool
from router.accounts.store import Store
from tests.router.accounts.breakable import Breakable
from tests.router.accounts.written import add_tenants, entries, names, request_ids, running, totals_differ, until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def database() -> AsyncIterator[Breakable]:
    """One that a test may break."""
    async with Breakable() as breakable:
        yield breakable


@pytest.fixture
async def store(database: Breakable) -> AsyncIterator[Store]:
    """A store on it, with a tenant."""
    opened = await Store.open(database.url, connections=4)
    await add_tenants(opened, "acme")
    yield opened
    await opened.close()


async def _replayed(store: Store, spool: Path) -> None:
    """Return when the database is back and nothing waits on the disk."""
    back = asyncio.Event()
    store.on_change(back.clear, back.set)
    if not store.available:
        await asyncio.wait_for(back.wait(), 30)
    await until(lambda: not list(spool.glob("*.log")))


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_gone_and_back(database: Breakable, store: Store, tmp_path: Path, how: str) -> None:
    """While the database is down rows go to the disk, and to the database by themselves when it is back."""
    sent = entries(store.now(), 30)
    async with running(store, tmp_path) as ledger:
        await ledger.write(sent[:10])
        await getattr(database, how)()
        for entry in sent[10:20]:
            await ledger.write([entry])
        assert names(tmp_path) == ["gateway1-1.log"]
        assert ledger.able
        await database.start()
        await _replayed(store, tmp_path)
        await ledger.write(sent[20:])
    assert await request_ids(store) == sorted(entry.attempt.request_id for entry in sent)
    assert await totals_differ(store) == []
    assert names(tmp_path) == []


async def test_unknown_outcome(
    database: Breakable, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that hangs with a commit under way may have done it or not; the rows count once."""
    monkeypatch.setattr(ledger_module, "COMMIT_S", 0.2)
    sent = entries(store.now(), 40)
    async with running(store, tmp_path) as ledger:
        await ledger.write(sent[:10])
        writing = asyncio.create_task(ledger.write(sent[10:20]))
        await asyncio.sleep(0)
        database.freeze()
        await writing
        await ledger.write(sent[20:30])
        database.thaw()
        await _replayed(store, tmp_path)
        await ledger.write(sent[30:])
    assert await request_ids(store) == sorted(entry.attempt.request_id for entry in sent)
    assert await totals_differ(store) == []


async def test_closed_while_away(database: Breakable, store: Store, tmp_path: Path) -> None:
    """A gateway that is shut down during an outage leaves its rows to the next one."""
    sent = entries(store.now(), 5)
    async with running(store, tmp_path) as ledger:
        await database.stop()
        await ledger.write(sent)
    await database.start()
    async with running(store, tmp_path, "gateway2"):
        await _replayed(store, tmp_path)
    assert await request_ids(store) == sorted(entry.attempt.request_id for entry in sent)


async def test_no_place_at_all(database: Breakable, store: Store, tmp_path: Path) -> None:
    """Without database and disk a writer is told, nobody new is admitted; once one is back, nothing is lost."""
    blocked = tmp_path / "spool"
    blocked.write_text("not a directory")
    sent = entries(store.now(), 3)
    async with running(store, blocked) as ledger:
        await database.stop()
        with pytest.raises(SpoolError, match="cannot write"):
            await ledger.write(sent)
        assert not ledger.able
        blocked.unlink()
        await until(lambda: ledger.able)
        assert len(names(blocked)) == 1
        await database.start()
        await _replayed(store, blocked)
    assert await request_ids(store) == sorted(entry.attempt.request_id for entry in sent)


async def test_replay_is_interrupted(database: Breakable, store: Store, tmp_path: Path) -> None:
    """A spool that was replayed in part, or by two gateways, counts once all the same."""
    sent = entries(store.now(), 6)
    spool = Spool(tmp_path, "dead")
    for entry in sent:
        spool.append(encode([entry]))
    spool.close()
    left = tmp_path / "dead-1.log"
    copy = left.read_bytes()
    async with running(store, tmp_path):
        await _replayed(store, tmp_path)
    left.write_bytes(copy)
    async with running(store, tmp_path, "gateway2"):
        await _replayed(store, tmp_path)
    assert await request_ids(store) == sorted(entry.attempt.request_id for entry in sent)
    assert await totals_differ(store) == []
    assert database.postgres.process() is not None


async def test_store_comes_back(database: Breakable, store: Store) -> None:
    """A store notices loss and return, hears notices again, and its first transaction afterwards works."""
    seen: list[str] = []
    heard, lost, back = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def hear(payload: str) -> None:
        seen.append(payload)
        heard.set()

    await store.listen("news", hear)
    store.on_change(lost.set, back.set)
    before = store.now()
    await database.kill()
    await asyncio.wait_for(lost.wait(), 30)
    assert not store.available
    with pytest.raises(StoreUnavailableError):
        await store.notify("news", "lost")
    await database.start()
    await asyncio.wait_for(back.wait(), 30)
    await store.notify("news", "found")
    await asyncio.wait_for(heard.wait(), 30)
    assert seen == ["found"]
    assert store.now() > before
