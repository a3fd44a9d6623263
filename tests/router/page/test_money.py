"""What the page tells of money, from a real database: budgets, the limits that are nearest, and this month."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, text

import router.page.money
from cluster.spec.tenants import Tenants
from router.accounts.standing import Standing, standings
from router.accounts.store import Store
from router.accounts.tables import budget_windows, quota_windows, tenants, usage_days
from router.page.lookout import Lookout
from router.page.money import Money
from router.purse import Purse
from tests.router.accounts.conftest import Server
from tests.router.accounts.outage import Outage
from tests.router.accounts.rows import row_of
from tests.router.admin.office import Office
from tests.router.page.facts import FLEET

pytestmark = pytest.mark.anyio

SPEC = Tenants.model_validate(
    {
        "access": "keys",
        "plans": {
            "explorer": {"messages_per_month": 100, "tokens_per_minute": 0, "egress": True, "usd_per_month": 10},
            "master": {},
        },
        "default_plan": "explorer",
        "budget": {"usd_per_month": 50},
    }
)
"""``usd_per_day`` of the fleet is 0, so there is no such budget."""


async def used(store: Store) -> None:
    """Acme has used 40 messages and 9 dollars, other 50 messages; last month's window is not this one's."""
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    minute = {"window_start": text("date_trunc('minute', now())")}
    quotas = [("acme", 40, month), ("other", 50, month), ("free", 7, month), ("acme", 99, month - timedelta(days=9))]
    budgets = [("acme", "month", 8_000_000), ("", "month", 8_000_000), ("free", "month", 5)]
    async with store.begin() as connection:
        for name, plan in (("acme", "explorer"), ("other", "explorer"), ("free", "master")):
            await connection.execute(insert(tenants).values(name=name, plan=plan))
            for model, requests, cost in (("s", 3, 0), ("c", 1, 465)):
                usage = {"tenant": name, "day": month, "model": model, "requests": requests, "cost_micros": cost}
                tokens = {"prompt_tokens": 100, "completion_tokens": 11, "cached_tokens": 0, "baseline_micros": 465}
                row = {**row_of(usage_days, name), **usage, **tokens}
                await connection.execute(insert(usage_days).values(row))
        for name, amount, start in quotas:
            row = {"tenant": name, "kind": "messages_per_month", "window_start": start, "used": amount}
            await connection.execute(insert(quota_windows).values(row))
        await connection.execute(insert(quota_windows).values(tenant="other", kind="tokens_per_minute", **minute))
        for name, kind, spent in budgets:
            row = {"tenant": name, "kind": kind, "window_start": month, "spent_micros": spent}
            await connection.execute(insert(budget_windows).values(row | {"reserved_micros": 1_000_000}))


async def test_those_nearest_to_a_limit(store: Store) -> None:
    """The fleet's budget, then tenants' limits by what part is used; without a limit there is nothing to be near to."""
    await used(store)
    found = await standings(store, SPEC)
    assert found == [
        Standing("", "usd_per_month", 50, 9),
        Standing("other", "tokens_per_minute", 0, 0),
        Standing("acme", "usd_per_month", 10, 9),
        Standing("other", "messages_per_month", 100, 50),
        Standing("acme", "messages_per_month", 100, 40),
    ]


async def test_a_month_of_it(store: Store, database: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stayed and what was saved, as ``freehold usage`` counts; while the database is away, as it was before."""
    await used(store)
    monkeypatch.setattr(router.page.money, "EVERY_S", 0.0)
    lookout = Lookout(FLEET.model_copy(update={"tenants": SPEC}), {})
    lookout.store = store
    money = Money(lookout)
    await money.look()
    found = money.told(0)
    cost = pytest.approx(3 * 465e-6)
    assert found["month"] == {"stayed": {"answers": 0.75, "tokens": 0.5}, "cost_usd": cost, "saved_usd": cost}
    assert [one["what"] for one in found["budgets"]] == ["usd_per_month"]
    assert found["limits"][1] == {"tenant": "acme", "what": "usd_per_month", "limit": 10, "used": 9}
    with Outage(database, server.url("postgres")) as outage:
        outage.begin()
        await money.look()
        assert (money.told(0)["away"], money.told(0)["month"]) == (True, found["month"])


async def test_money_without_accounts() -> None:
    """What is left today of the fleet file's."""
    purse = Purse(FLEET)
    purse.reserve(500_000)
    lookout = Lookout(FLEET, {}, purse=purse)
    told = Money(lookout).told((await lookout.recent()).spent_micros / 1e6)
    assert told == {"budgets": [{"tenant": "", "what": "usd_per_day", "limit": 2, "used": 0.5}]}


async def test_the_figures_need_an_admin_key(office: Office, admin: str) -> None:
    """With accounts the page opens for everybody, and what it shows for admins alone."""
    assert (await office.ask("GET", "/")).status == 200
    assert (await office.ask("GET", "/admin/overview")).status == 401
    found = (await office.ask("GET", "/admin/overview", admin)).json
    assert (found["fleet"]["access"], found["money"]["away"], found["money"]["limits"]) == ("keys", False, [])
    assert admin not in str(found)
