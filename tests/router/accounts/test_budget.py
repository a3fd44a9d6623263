"""Money: reserved, settled, expired; per tenant and fleet, day and month; never more than there is."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from cluster.spec import Fleet, Price
from router.accounts.budget import Budgets, settle_budgets, true_cost, worst_case
from router.accounts.facts import Principal
from router.accounts.store import Store
from router.wire.errors import Refusal
from tests.router.accounts.breakable import Breakable
from tests.router.accounts.stopped import StoppedClock
from tests.router.accounts.team import principal

pytestmark = pytest.mark.anyio

_CENT = 10_000
_Windows = dict[tuple[str, str], tuple[int, int]]


def _fleet(day: float = 1000, month: float = 1000) -> Fleet:
    return Fleet.model_validate(
        {
            "name": "test",
            "models": {"m": {"engine": "url", "url": "http://127.0.0.1:9"}},
            "tiers": {"small": ["m"]},
            "tenants": {"budget": {"usd_per_day": day, "usd_per_month": month}},
        }
    )


async def _tenants(store: Store, *names: str) -> None:
    async with store.begin() as connection:
        for name in names:
            await connection.execute(text("INSERT INTO tenants (name, plan) VALUES (:name, 'p')"), {"name": name})


async def _windows(store: Store) -> _Windows:
    """Reserved and spent, by tenant and kind."""
    async with store.begin() as connection:
        rows = (await connection.execute(text("SELECT * FROM budget_windows"))).all()
    return {(row.tenant, row.kind): (row.reserved_micros, row.spent_micros) for row in rows}


async def _settle(store: Store, *ended: tuple[str, int, int]) -> None:
    async with store.begin() as connection:
        await settle_budgets(connection, *zip(*ended, strict=True))


async def _refusal(budgets: Budgets, who: Principal, request_id: str, micros: int) -> Refusal:
    with pytest.raises(Refusal) as caught:
        await budgets.reserve(who, request_id, 1, micros)
    return caught.value


def _all(tenant: str, reserved: int, spent: int) -> _Windows:
    return {(who, kind): (reserved, spent) for who in (tenant, "") for kind in ("day", "month")}


async def test_reserve_and_settle(store: Store) -> None:
    """What was set aside becomes what it really cost, in all four windows."""
    await _tenants(store, "acme")
    budgets, who = Budgets(store, _fleet()), principal(usd_per_day=1, usd_per_month=10)
    await budgets.reserve(who, "req_1", 1, 5 * _CENT)
    assert await _windows(store) == _all("acme", 5 * _CENT, 0)
    await _settle(store, ("req_1", 1, 2 * _CENT))
    assert await _windows(store) == _all("acme", 0, 2 * _CENT)


async def test_repeating_changes_nothing(store: Store) -> None:
    """A reservation or a settlement whose outcome was unknown can be sent again."""
    await _tenants(store, "acme")
    budgets, who = Budgets(store, _fleet()), principal(usd_per_day=1, usd_per_month=10)
    for _ in range(3):
        await budgets.reserve(who, "req_1", 1, 90 * _CENT)
    assert await _windows(store) == _all("acme", 90 * _CENT, 0)
    await _settle(store, ("req_1", 1, _CENT))
    await _settle(store, ("req_1", 1, _CENT))
    assert await _windows(store) == _all("acme", 0, _CENT)


@pytest.mark.parametrize(
    ("plan", "fleet", "field", "whose"),
    [
        ({"usd_per_day": 1, "usd_per_month": 9}, {}, "usd_per_day", "your plan's"),
        ({"usd_per_day": 9, "usd_per_month": 1}, {}, "usd_per_month", "your plan's"),
        ({"usd_per_day": 9, "usd_per_month": 9}, {"day": 1}, "usd_per_day", "the fleet's"),
        ({"usd_per_day": 9, "usd_per_month": 9}, {"month": 1}, "usd_per_month", "the fleet's"),
    ],
    ids=["tenant-day", "tenant-month", "fleet-day", "fleet-month"],
)
async def test_each_budget_bounds(
    store: Store, plan: dict[str, float], fleet: dict[str, float], field: str, whose: str
) -> None:
    """The last cent can be reserved, one millionth more cannot; the refusal is a 402 that says which budget."""
    await _tenants(store, "acme")
    budgets, who = Budgets(store, _fleet(**fleet)), principal(**plan)
    await budgets.reserve(who, "req_1", 1, 60 * _CENT)
    refusal = await _refusal(budgets, who, "req_2", 40 * _CENT + 1)
    assert (refusal.status, refusal.code, refusal.param) == (402, "insufficient_quota", field)
    assert whose in refusal.message
    await budgets.reserve(who, "req_3", 1, 40 * _CENT)
    assert await _windows(store) == _all("acme", 100 * _CENT, 0)


async def test_no_money_by_default(store: Store) -> None:
    """A plan that names no money has none."""
    await _tenants(store, "acme")
    assert (await _refusal(Budgets(store, _fleet()), principal(), "req_1", 1)).status == 402


async def test_fleet_and_tenants_add_up(store: Store) -> None:
    """Tenants do not share, but the fleet's windows have the sum."""
    await _tenants(store, "acme", "other")
    budgets = Budgets(store, _fleet())
    await budgets.reserve(principal("acme", usd_per_day=1, usd_per_month=1), "req_1", 1, 70 * _CENT)
    await budgets.reserve(principal("other", usd_per_day=1, usd_per_month=1), "req_2", 1, 70 * _CENT)
    windows = await _windows(store)
    assert windows["acme", "day"] == windows["other", "day"] == (70 * _CENT, 0)
    assert windows["", "day"] == windows["", "month"] == (140 * _CENT, 0)


async def test_a_tenant_that_is_gone(store: Store) -> None:
    """Nothing is written for a tenant that was deleted."""
    refusal = await _refusal(Budgets(store, _fleet()), principal("ghost", usd_per_day=1, usd_per_month=1), "req_1", 1)
    assert refusal.status == 401
    assert not await _windows(store)


async def test_many_at_once(store: Store) -> None:
    """Of 200 reservations at once, with money for seven, seven are made, and the rest leaves no trace."""
    await _tenants(store, "acme")
    budgets, who = Budgets(store, _fleet()), principal(usd_per_day=0.75, usd_per_month=10)
    answers = await asyncio.gather(
        *(budgets.reserve(who, f"req_{number}", 1, 10 * _CENT) for number in range(200)), return_exceptions=True
    )
    assert sum(answer is None for answer in answers) == 7
    assert {answer.status for answer in answers if isinstance(answer, Refusal)} == {402}
    assert await _windows(store) == _all("acme", 70 * _CENT, 0)


async def test_abandoned_reservations_expire(database: str) -> None:
    """By the database's clock; and an attempt that ends all the same is counted in the windows it was reserved from."""
    clock = StoppedClock(database)
    store = await Store.open(database, 2)
    await _tenants(store, "acme")
    budgets, who = Budgets(store, _fleet()), principal(usd_per_day=1, usd_per_month=1)
    await budgets.reserve(who, "req_1", 1, 60 * _CENT)
    clock.advance(1850.0)
    await budgets.reserve(who, "req_2", 1, 40 * _CENT)
    assert await budgets.sweep() == 0
    clock.advance(11.0)
    assert await budgets.sweep() == 1
    assert await budgets.sweep() == 0
    assert await _windows(store) == _all("acme", 40 * _CENT, 0)
    await _settle(store, ("req_1", 1, 7 * _CENT), ("req_2", 1, 0))
    assert await _windows(store) == _all("acme", 0, 7 * _CENT)
    await store.close()
    clock.close()


async def test_windows_turn_by_the_databases_clock(database: str) -> None:
    """Midnight in UTC brings the day's money back, not the month's; what ends late counts where it was reserved."""
    clock = StoppedClock(database)
    store = await Store.open(database, 2)
    await _tenants(store, "acme")
    budgets, who = Budgets(store, _fleet()), principal(usd_per_day=1, usd_per_month=1.5)
    await budgets.reserve(who, "req_1", 1, 100 * _CENT)
    clock.advance(86_400.0)
    assert (await _refusal(budgets, who, "req_2", 100 * _CENT)).param == "usd_per_month"
    await budgets.reserve(who, "req_3", 1, 50 * _CENT)
    await _settle(store, ("req_1", 1, 100 * _CENT))
    async with store.begin() as connection:
        days = await connection.execute(
            text(
                "SELECT reserved_micros, spent_micros FROM budget_windows WHERE kind = 'day' AND tenant = 'acme'"
                " ORDER BY window_start"
            )
        )
        assert [tuple(day) for day in days] == [(0, 100 * _CENT), (50 * _CENT, 0)]
    clock.advance(31 * 86_400.0)
    await budgets.reserve(who, "req_4", 1, 100 * _CENT)
    await store.close()
    clock.close()


async def test_no_database_no_money() -> None:
    """While the database is away, paid targets are closed at once; when it is back they are open again."""
    async with Breakable() as breakable:
        store = await Store.open(breakable.url, 1)
        await _tenants(store, "acme")
        budgets, who = Budgets(store, _fleet()), principal(usd_per_day=1, usd_per_month=1)
        await breakable.stop()
        refusal = await _refusal(budgets, who, "req_1", 1)
        assert (refusal.status, refusal.code) == (503, "accounts_unavailable")
        await breakable.start()
        await budgets.reserve(who, "req_2", 1, 1)
        await store.close()


@pytest.mark.parametrize(
    ("price", "tokens", "worst", "true"),
    [
        ({"prompt": 4, "completion": 0, "cached_prompt": 0.4, "cache_write": 5}, (100, 50, 0, 30), 500, 250),
        ({"prompt": 4, "completion": 0}, (100, 50, 0, 30), 400, 400),
        ({"prompt": 3, "completion": 15}, (1000, 0, 500), 10_500, 10_500),
        ({"prompt": 3, "completion": 15, "cached_prompt": 0.3}, (1000, 900, 0), 3000, 570),
        ({"prompt": 3, "completion": 15}, (1000, 900, 0), 3000, 3000),
        ({"prompt": 0.1, "completion": 0.1}, (1, 0, 0), 1, 1),
        ({"prompt": 1, "completion": 5, "cached_prompt": 2}, (10, 10, 0), 20, 20),
    ],
    ids=["written", "no-price-for-written", "plain", "cached", "no-price-for-cached", "rounds-up", "dear-cache"],
)
def test_prices(price: dict[str, float], tokens: tuple[int, ...], worst: int, true: int) -> None:
    """A price per million tokens is a price in millionths per token; the worst case is never below the true cost."""
    known = Price.model_validate(price)
    prompt, cached, answer, *written = tokens
    assert worst_case(known, prompt, answer) == worst
    assert true_cost(known, prompt, cached, answer, *written) == true
