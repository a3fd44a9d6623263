"""Usage by each heading agrees with the rows; an export holds all of one tenant and nothing of another."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from router.accounts.export import export
from router.accounts.facts import Attempt
from router.accounts.group import Entry
from router.accounts.labels import Labels
from router.accounts.pepper import Pepper
from router.accounts.period import Period
from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.accounts.usage import HEADINGS, Usage, total, usage
from tests.router.accounts.reception import PEPPER
from tests.router.accounts.written import add_tenants, attempt, running

pytestmark = pytest.mark.anyio


@pytest.fixture
async def told(store: Store, tmp_path: Path) -> list[Attempt]:
    """Sixty attempts of two tenants on forty days, in the ledger."""
    await add_tenants(store, "acme", "other")
    attempts = [
        attempt(
            store.now() - timedelta(days=number % 40),
            tenant=("acme", "other")[number % 2],
            model=("tiny-small", "tiny-large", "claude")[number % 3],
            tier=("small", "large", "")[number % 3],
            reason=("short", "long")[number % 4 // 2],
            outcome=("complete", "gone")[number % 5 // 4],
            cost_micros=number,
        )
        for number in range(60)
    ]
    async with running(store, tmp_path) as ledger:
        await ledger.write([Entry(one) for one in attempts])
    return attempts


@pytest.mark.parametrize("by", HEADINGS)
async def test_by_each_heading(store: Store, told: list[Attempt], by: str) -> None:
    """Every heading has exactly what its attempts used, in order, and the whole is the same by all of them."""
    expected: Counter[str] = Counter()
    costs: Counter[str] = Counter()
    for one in told:
        heading = str({"day": one.at.isoformat()[:10], "month": one.at.isoformat()[:7]}.get(by) or getattr(one, by))
        expected[heading] += 1
        costs[heading] += one.cost_micros
    rows = await usage(store, by)
    assert [(row.heading, row.requests, row.cost_micros) for row in rows] == [
        (heading, expected[heading], costs[heading]) for heading in sorted(expected)
    ]
    assert total(rows) == Usage("total", 60, 6000, 3000, 600, 7200, sum(range(60)), 60 * 340)


async def test_of_one_tenant_and_period(store: Store, told: list[Attempt]) -> None:
    """A tenant sees its own; a period begins with its first day and ends before its last."""
    since, until = (store.now() - timedelta(days=10)).date(), store.now().date()
    rows = await usage(store, "tenant", "acme", Period(since, until))
    expected = [one for one in told if one.tenant == "acme" and since <= one.at.date() < until]
    assert [(row.heading, row.requests) for row in rows] == [("acme", len(expected))]
    assert await usage(store, "day", "nobody") == []
    assert total([]) == Usage("total", 0, 0, 0, 0, 0, 0, 0)


async def test_export(store: Store, told: list[Attempt]) -> None:
    """An export has every row of its tenant, field by field, and no other's; no digest of a key leaves."""
    async with store.begin() as connection:
        await connection.exec_driver_sql(
            "INSERT INTO keys (id, tenant, digest, pepper, label) VALUES ('k1', 'acme', 'dig', 'pep', 'mine')"
        )
    lines = [orjson.loads(line) async for part in export(store, "acme", Sealer(PEPPER)) for line in part.splitlines()]
    rows = [line["row"] for line in lines if line["table"] == "ledger"]
    mine = [one for one in told if one.tenant == "acme"]
    assert sorted(row["request_id"] for row in rows) == sorted(one.request_id for one in mine)
    assert set(rows[0]) == set(Attempt._fields)
    assert Counter(line["table"] for line in lines)["keys"] == 1
    (key,) = [line["row"] for line in lines if line["table"] == "keys"]
    assert key["label"] == "mine"
    assert not {"digest", "pepper"} & set(key)
    assert sum(line["row"]["requests"] for line in lines if line["table"] == "usage_days") == len(mine)
    assert "other" not in orjson.dumps(lines).decode()


async def test_export_of_sampled_prompts(store: Store, told: list[Attempt]) -> None:
    """What was said is given back in the clear; what another pepper sealed cannot be."""
    assert told
    for name, pepper in (("req_1", PEPPER), ("req_2", Pepper(b"q" * 32))):
        await Labels(store, Sealer(pepper)).keep("acme", name, "Grüße?", 30)
    lines = [orjson.loads(line) async for part in export(store, "acme", Sealer(PEPPER)) for line in part.splitlines()]
    rows = [line["row"] for line in lines if line["table"] == "samples"]
    assert {row["request_id"]: row["prompt"] for row in rows} == {"req_1": "Grüße?", "req_2": None}


async def test_export_of_nobody(store: Store, told: list[Attempt]) -> None:
    """There is nothing to take along for a tenant that there is not."""
    assert told
    assert [part async for part in export(store, "nobody", Sealer(PEPPER))] == []
