"""Money and the ledger, as a gateway's metrics tell of them, through an outage of the real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import router.accounts.budget
from router.accounts.facts import Left
from router.accounts.remaining import left_of
from router.opening import Archive
from tests.router.accounts.conftest import Server
from tests.router.accounts.outage import Outage
from tests.router.accounts.test_books import Bank, banked
from tests.router.engine import until
from tests.router.gateway import Running, Trio

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bank(engines: Trio, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bank]:
    """A gateway with accounts that looks often."""
    monkeypatch.setattr(router.accounts.budget, "_SWEEP_S", 0.05)
    async with Running(banked(engines), archive=Archive(database, tmp_path)) as running:
        yield Bank(running, database, (tmp_path / "admin.key").read_text().strip())


async def test_money_that_is_left(bank: Bank) -> None:
    """Both windows have the file's limit, all of it at first, and then less by what an answer cost."""
    running = bank.running

    async def left(share: float) -> bool:
        found = [await running.metric("freehold_budget_left_ratio", window=window) for window in ("day", "month")]
        return found == pytest.approx([share, share])

    await until(lambda: left(1))
    assert await running.metric("freehold_budget_usd", window="month") == 5
    assert (await bank.ask(await bank.key("paying"), model="l", max_tokens=5)).status == 200
    cost = (await bank.rows())[-1]["cost_micros"] / 1e6
    assert cost > 0
    await until(lambda: left(1 - cost / 5))


async def test_the_ledger_lags_while_the_database_is_away(bank: Bank, server: Server, database: str) -> None:
    """Rows wait on the disk, and the oldest one's age grows; once they are in, nothing lags."""
    running = bank.running
    key = await bank.key("unlimited")

    async def lags() -> bool:
        return (await running.metric("freehold_ledger_lag_seconds")) > 0.05

    async def caught_up() -> bool:
        told = [await running.metric(f"freehold_ledger_{name}") for name in ("lag_seconds", "spool_bytes")]
        return told == [0, 0]

    assert (await bank.ask(key)).status == 200
    assert await caught_up()
    with Outage(database, server.url("postgres")) as outage:
        outage.begin()
        assert (await bank.ask(key)).status == 200
        await until(lags)
        assert await running.metric("freehold_ledger_spool_bytes") > 0
    await until(caught_up)


@pytest.mark.parametrize(
    ("limit", "used", "left"),
    [(2_000_000, 500_000, Left(2, 0.75)), (2_000_000, 3_000_000, Left(2, 0)), (0, 0, Left(0, 0))],
    ids=["some", "overdrawn", "none allowed"],
)
def test_a_share_is_between_0_and_1(limit: int, used: int, left: Left) -> None:
    """What an expired reservation spent all the same may be more than the budget; less than nothing is not left."""
    assert left_of(limit, used) == left
