"""Spilling with accounts: the plan's permission and budget bind it, and the ledger has what it cost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.spec import Fleet
from router.opening import Archive
from tests.router.accounts.test_books import PLANS, Bank
from tests.router.engine import Engine
from tests.router.gateway import Running, Trio
from tests.router.hosted import spilling

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bank(engines: Trio, outside: Engine, database: str, tmp_path: Path) -> AsyncIterator[Bank]:
    """A gateway with accounts and a chain."""
    tenants = {"access": "keys", "plans": PLANS, "budget": {"usd_per_day": 5, "usd_per_month": 5}}
    plain = spilling(engines, outside).model_dump(exclude_unset=True)
    fleet = Fleet.model_validate({**plain, "tenants": tenants, "spillover": {"chain": ["c"], "ttft_seconds": 1e-9}})
    async with Running(fleet, archive=Archive(database, tmp_path)) as running:
        yield Bank(running, database, (tmp_path / "admin.key").read_text().strip())


@pytest.fixture
def outage(engines: Trio) -> None:
    """No local model is left."""
    engines.small.stop()
    engines.large.stop()


async def test_a_plan_with_egress_and_money_spills(bank: Bank, engines: Trio, outside: Engine) -> None:
    """The row has the vendor's count and price, cache reads and writes included."""
    key = await bank.key("paying")
    engines.small.stop()
    engines.large.stop()
    answer = await bank.ask(key)
    assert (answer.status, answer.header("x-freehold-model")) == (200, "c")
    row = (await bank.rows())[-1]
    assert (row["tier"], row["reason"], row["prompt_tokens"], row["cached_tokens"]) == ("spillover", "spill-down", 7, 2)
    assert row["cost_micros"] == 62
    [egress] = [line for line in bank.running.lines if line["event"] == "egress"]
    assert (egress["tenant"], egress["bytes"]) == ("acme", len(outside.seen[0].body))
    [kept] = await bank.rows("SELECT * FROM egress")
    assert {name: kept[name] for name in ("request_id", "tenant", "model", "host", "reason", "bytes")} == {
        name: egress[name] for name in ("request_id", "tenant", "model", "host", "reason", "bytes")
    }


@pytest.mark.usefixtures("outage")
async def test_without_a_record_nothing_leaves(bank: Bank, outside: Engine) -> None:
    """Where the row cannot be written, the body stays: what was reserved is given back, and no log line claims it."""
    key = await bank.key("paying")
    await bank.rows("SELECT 1; ALTER TABLE egress RENAME TO hidden")
    answer = await bank.ask(key)
    assert (answer.status, answer.error["code"]) == (503, "accounts_unavailable")
    assert outside.opened == 0
    assert not [line for line in bank.running.lines if line["event"] == "egress"]


@pytest.mark.parametrize(
    ("plan", "headers", "statuses"),
    [
        ("unlimited", {}, (503, 403)),
        ("paying", {"x_freehold_egress": "never"}, (503, 403)),
        ("broke", {}, (402, 402)),
    ],
    ids=["plan", "request", "budget"],
)
@pytest.mark.usefixtures("outage")
async def test_nothing_leaves_without_permission_or_money(
    bank: Bank, outside: Engine, plan: str, headers: dict[str, str], statuses: tuple[int, int]
) -> None:
    """Whatever the outage; and a plan is bound by name too."""
    key = await bank.key(plan)
    found = [(await bank.ask(key, headers, model=model)).status for model in ("auto", "c")]
    assert tuple(found) == statuses
    assert outside.opened == 0


async def test_an_answer_from_outside_is_not_kept_as_a_local_one(bank: Bank, engines: Trio, outside: Engine) -> None:
    """After the outage, the same request is answered by who should answer it."""
    key = await bank.key("paying")
    port = engines.small.port
    engines.small.stop()
    engines.large.stop()
    first = await bank.ask(key, temperature=0)
    engines.small.port = port
    await engines.small.__aenter__()
    second = await bank.ask(key, temperature=0)
    assert (first.header("x-freehold-model"), second.header("x-freehold-model")) == ("c", "s")
    assert len(outside.seen) == 1
