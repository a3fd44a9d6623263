"""One limit at a time: what is admitted without the database, what callers are told, what comes back by itself."""

from __future__ import annotations

import ast
import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from router.accounts import quota
from router.accounts.allowance import Hold
from router.accounts.facts import Principal
from router.accounts.kinds import duration, next_block
from router.accounts.leases import purge
from router.accounts.presence import Presence
from router.accounts.quota import Quotas
from router.accounts.store import Store
from router.wire.errors import Refusal
from tests.router.accounts.breakable import Breakable
from tests.router.accounts.team import Member, Team, principal
from tests.router.accounts.written import add_tenants, until

pytestmark = pytest.mark.anyio

_PLENTY = 10**9
_ALL = principal(
    requests_per_minute=_PLENTY, tokens_per_minute=_PLENTY, messages_per_month=_PLENTY, tokens_per_month=_PLENTY
)


async def _hold(member: Member, who: Principal, tokens: int = 0) -> Hold:
    hold = await member.take(who, tokens)
    assert isinstance(hold, Hold)
    return hold


async def _refusal(member: Member, who: Principal, tokens: int = 0) -> Refusal:
    refusal = await member.take(who, tokens)
    assert isinstance(refusal, Refusal)
    return refusal


# -- without the database ---------------------------------------------------------------------------------------------


async def test_no_round_trip_with_leased_quota(database: str) -> None:
    """After the first request a known tenant's requests send no statement, nor do their ends."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        (await _hold(one, _ALL, 100)).used(1, 10)
        before = one.store.statements
        for _ in range(4):
            hold = one.quotas.try_take(_ALL, 1, 100)
            assert hold is not None
            assert len(hold.used(1, 10)) == 4
            assert len(one.quotas.headers(_ALL)) == 6
        assert one.store.statements == before


async def test_no_round_trip_without_limits(database: str) -> None:
    """A plan without limits never needs the database; its tenant need not even be there."""
    async with Team(database, 1) as team:
        (one,) = team.members
        before = one.store.statements
        hold = await _hold(one, principal("ghost"), 10**12)
        assert hold.used(1, 10**12) == ()
        assert one.quotas.headers(principal("ghost")) == []
        assert one.store.statements == before


async def test_more_is_leased_before_it_is_needed(database: str) -> None:
    """A gateway that is used goes on without waiting: what runs low is filled in the background."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        await _hold(one, _ALL, 10)
        for _ in range(200):
            if one.quotas._supply._thirst.is_set():
                await one.quotas._supply.fill()
            assert one.quotas.try_take(_ALL, 1, 10) is not None


async def test_the_next_minute_is_leased_ahead(database: str) -> None:
    """A minute that begins finds its units there, for those who are active."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme", "idle")
        who, idle = principal(requests_per_minute=100), principal("idle", requests_per_minute=100)
        await _hold(one, who)
        await _hold(one, idle)
        await one.quotas._supply.tidy()
        await _hold(one, who)
        await team.pass_time(26.0)
        await until(lambda: one.store.now().second >= 55)
        await one.quotas._supply.look_ahead()
        await team.pass_time(5.0)
        assert one.quotas.try_take(who) is not None
        assert one.quotas.try_take(idle) is None


async def test_an_exhausted_quota_is_refused_from_memory(database: str) -> None:
    """What is used never comes back in its window, so whoever goes on calling costs the database nothing."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        who = principal(messages_per_month=2)
        for _ in range(2):
            await one.settle(who, await _hold(one, who))
        await _refusal(one, who)
        before = one.store.statements
        for _ in range(10):
            await _refusal(one, who)
        assert one.store.statements == before


async def test_busy_units_are_not_asked_for_all_the_time(database: str) -> None:
    """While requests under way hold what is left, the next ones are refused from memory for a moment."""
    async with Team(database, 1) as team:
        (one,) = team.members
        one.quotas.recheck_s = 0.1
        await team.tenants("acme")
        who = principal(messages_per_month=1)
        hold = await _hold(one, who)
        assert (await _refusal(one, who)).retry_after == 1
        before = one.store.statements
        assert (await _refusal(one, who)).retry_after == 1
        assert one.store.statements == before
        hold.release()
        await _hold(one, who)
        assert one.store.statements == before


# -- what callers are told --------------------------------------------------------------------------------------------


async def test_headers(database: str) -> None:
    """The names and forms that OpenAI documents: of the minute where it counts, else of the month."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme", "other")
        who = principal(requests_per_minute=60, tokens_per_minute=150_000, messages_per_month=500)
        await _hold(one, who, 16)
        assert dict(one.quotas.headers(who)) == {
            b"x-ratelimit-limit-requests": b"60",
            b"x-ratelimit-remaining-requests": b"59",
            b"x-ratelimit-reset-requests": b"30s",
            b"x-ratelimit-limit-tokens": b"150000",
            b"x-ratelimit-remaining-tokens": b"149984",
            b"x-ratelimit-reset-tokens": b"30s",
        }
        monthly = principal("other", messages_per_month=100)
        await _hold(one, monthly)
        assert dict(one.quotas.headers(monthly)) == {
            b"x-ratelimit-limit-requests": b"100",
            b"x-ratelimit-remaining-requests": b"99",
            b"x-ratelimit-reset-requests": b"422h33m30s",
        }


@pytest.mark.parametrize(
    ("limits", "field", "code", "retry_after"),
    [
        ({"requests_per_minute": 1}, "requests_per_minute", "rate_limit_exceeded", 30),
        ({"tokens_per_minute": 100}, "tokens_per_minute", "rate_limit_exceeded", 30),
        ({"messages_per_month": 1}, "messages_per_month", "insufficient_quota", 1_521_210),
        ({"tokens_per_month": 100}, "tokens_per_month", "insufficient_quota", 1_521_210),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_refusals(database: str, limits: dict[str, int], field: str, code: str, retry_after: int) -> None:
    """A 429 that names the limit, and says when its window ends."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        who = principal(**limits)
        await one.settle(who, await _hold(one, who, 60), 1, 60)
        refusal = await _refusal(one, who, 60)
        assert (refusal.status, refusal.code, refusal.param) == (429, code, field)
        assert refusal.retry_after == retry_after
        await team.jump(retry_after)
        await _hold(one, who, 60)


async def test_a_request_that_never_fits(database: str) -> None:
    """A request that may use more than the whole limit is not told to come back."""
    async with Team(database, 1) as team:
        refusal = await _refusal(team.members[0], principal(tokens_per_minute=100), 101)
        assert (refusal.status, refusal.retry_after) == (429, None)
        assert "may use 101 tokens" in refusal.message


async def test_requests_at_once(database: str) -> None:
    """``concurrent_requests`` counts what is under way here; an end, of whatever kind, makes room."""
    async with Team(database, 1) as team:
        (one,) = team.members
        who = principal(concurrent_requests=2)
        first, second = await _hold(one, who), await _hold(one, who)
        refusal = await _refusal(one, who)
        assert (refusal.status, refusal.param, refusal.retry_after) == (429, "concurrent_requests", 1)
        first.used(1, 0)
        first.release()
        await _hold(one, who)
        assert not await one.admits(who)
        second.release()
        second.release()
        assert await one.admits(who)
        assert not await one.admits(who)


# -- what comes back --------------------------------------------------------------------------------------------------


async def test_what_was_held_and_not_used(database: str) -> None:
    """Tokens that an answer did not need are there for the next; a failed message does not count, its request does."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        who = principal(messages_per_month=10, requests_per_minute=10, tokens_per_month=100)
        await one.settle(who, await _hold(one, who, 90), 0, 20)
        await one.settle(who, await _hold(one, who, 80), 1, 80)
        windows = await team.windows()
        assert windows["acme", "tokens_per_month"] == (100, 0)
        assert windows["acme", "messages_per_month"][0] == 1
        assert windows["acme", "requests_per_minute"][0] == 2


async def test_more_used_than_held(database: str) -> None:
    """An answer that turned out longer counts in full, and what others hold stays theirs."""
    async with Team(database, 2) as team:
        one, two = team.members
        await team.tenants("acme")
        who = principal(tokens_per_month=100)
        long, short = await _hold(one, who, 10), await _hold(two, who, 10)
        await one.settle(who, long, 1, 95)
        assert not await two.admits(who, 5)
        await two.settle(who, short, 1, 10)
        used, leased = (await team.windows())["acme", "tokens_per_month"]
        assert (used, leased) == (105, 1)


async def test_units_of_a_gateway_that_left(database: str) -> None:
    """A gateway that shuts down leaves nothing leased, and no row of its own."""
    async with Team(database, 2) as team:
        one, two = team.members
        await team.tenants("acme")
        who = principal(messages_per_month=100)
        await one.settle(who, await _hold(one, who))
        await two.quotas.close()
        await one.quotas.close()
        assert await team.windows() == {("acme", "messages_per_month"): (1, 0)}
        async with one.store.begin() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM gateways")) == 0


async def test_idle_tenants(database: str) -> None:
    """A tenant that does not call gives its units back, and takes no memory."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        who = principal(messages_per_month=100)
        await one.settle(who, await _hold(one, who))
        await one.quotas._supply.tidy()
        assert (await team.windows())["acme", "messages_per_month"][1] > 0
        await team.pass_time(61.0)
        await one.quotas._supply.tidy()
        assert (await team.windows())["acme", "messages_per_month"] == (1, 0)
        assert one.quotas._allowances == {}


async def test_a_client_that_leaves_while_units_are_leased(database: str) -> None:
    """The leasing goes on without it, so no unit is lost."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        who = principal(messages_per_month=20)
        for _ in range(5):
            task = asyncio.create_task(one.take(who))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
        await one.quotas._supply.quiet()
        assert [await one.admits(who) for _ in range(21)] == [True] * 20 + [False]


async def test_old_windows_are_forgotten(database: str) -> None:
    """Minutes after an hour, months after years, so that a clock can come back; what is leased of them goes along."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        await _hold(one, _ALL)
        for days, left in ((0.05, 2), (400.0, 2), (900.0, 0)):
            await team.jump(days * 86_400)
            async with one.store.begin() as connection:
                await purge(connection)
            assert len(await team.windows()) == left


# -- tenants that change ----------------------------------------------------------------------------------------------


async def test_a_lowered_limit(database: str) -> None:
    """A limit that is lowered holds at once, also for what was leased before, at every gateway."""
    async with Team(database, 2) as team:
        one, two = team.members
        await team.tenants("acme")
        for member in team.members:
            await _hold(member, principal(messages_per_month=1000))
        lower = principal(messages_per_month=3)
        assert [await member.admits(lower) for member in (one, two, one, two)] == [True, False, False, False]


async def test_a_deleted_tenant(database: str) -> None:
    """A tenant that is gone is refused as soon as its units are; one of the same name begins with nothing used."""
    async with Team(database, 1) as team:
        (one,) = team.members
        await team.tenants("acme")
        who = principal(messages_per_month=1)
        await one.settle(who, await _hold(one, who))
        assert not await one.admits(who)
        async with one.store.begin() as connection:
            await connection.execute(text("DELETE FROM tenants"))
        await one.store.notify("freehold_tenants", "acme")
        await until(lambda: one.quotas._allowances["acme"].leases[0].used == 0)
        assert (await _refusal(one, who)).status == 401
        await team.tenants("acme")
        assert await one.admits(who)


# -- no database ------------------------------------------------------------------------------------------------------


async def test_while_the_database_is_away() -> None:
    """What was leased is used up, then the refusal is a 503; unlimited plans go on; all is well when it is back."""
    async with Breakable() as breakable:
        store = await Store.open(breakable.url, 2)
        await add_tenants(store, "acme")
        quotas = await Quotas.open(store, "gateway1")
        who = principal(messages_per_month=16)
        (await quotas.take(who)).used(1, 0)
        await breakable.stop()
        leased = quotas._allowances["acme"].leases[0].free
        assert leased > 0
        for _ in range(leased):
            assert quotas.try_take(who) is not None
        with pytest.raises(Refusal) as caught:
            await quotas.take(who)
        assert (caught.value.status, caught.value.code) == (503, "accounts_unavailable")
        assert await quotas.take(principal("other")) is not None
        await breakable.start()
        assert await quotas.take(who) is not None
        await quotas.close()
        await store.close()


async def test_a_gateway_that_cannot_show_that_it_lives(database: str) -> None:
    """It stops using its leases before others may take them, and starts anew when it can."""
    async with Team(database, 2) as team:
        one, two = team.members
        await team.tenants("acme")
        who = principal(messages_per_month=100)
        await one.settle(who, await _hold(one, who))
        await team.pass_time(11.9, without=[one])
        hold = one.quotas.try_take(who)
        assert hold is not None
        hold.release()
        await team.pass_time(0.2, without=[one])
        assert one.quotas.try_take(who) is None
        await team.pass_time(9.0, without=[one])
        assert [await two.admits(who) for _ in range(100)] == [True] * 99 + [False]
        assert not await one.admits(who)


async def test_an_outage_kills_nobody(store: Store) -> None:
    """Gateways that could not show that they live because the database was away are not taken for dead."""
    time = [0.0]
    one, two = (Presence(store, name, lambda: None, clock=lambda: time[0]) for name in ("one", "two"))
    await one.register()
    await two.register()
    await one.beat()
    time[0] = 3600.0
    one._forget_others()
    await one.beat()
    time[0] += 14.9
    await one.beat()
    assert await _registered(store) == ["one", "two"]
    time[0] += 0.2
    await one.beat()
    assert await _registered(store) == ["one"]


async def _registered(store: Store) -> list[str]:
    async with store.begin() as connection:
        return list(await connection.scalars(text("SELECT id FROM gateways ORDER BY id")))


# -- pure -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0s"), (0.2, "1s"), (59.5, "1m0s"), (61, "1m1s"), (360, "6m0s"), (3600, "1h0m0s"), (-5, "0s")],
    ids=str,
)
def test_durations(seconds: float, told: str) -> None:
    """As OpenAI writes them, rounded up."""
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("block", "lasted", "need", "following"),
    [(8, 20.0, 1, 8), (8, 1.0, 1, 32), (80, 200.0, 1, 20), (1, 500.0, 0, 1), (8, 20.0, 500, 1000), (8, 0.0, 1, 32)],
    ids=["just-right", "too-short", "too-long", "at-least-one", "large-need", "at-once"],
)
def test_blocks_follow_use(block: int, lasted: float, need: int, following: int) -> None:
    """Blocks are sized to last for some 20 seconds, and change by a factor of 4 at most."""
    assert next_block(block, lasted, need) == following


_WALL_CLOCKS = {"time", "time_ns", "now", "utcnow", "today", "localtime", "gmtime"}
_TIMED = ("allowance", "budget", "cache", "kept", "kinds", "leases", "limited", "presence", "quota", "recall", "supply")


@pytest.mark.parametrize("module", _TIMED)
def test_nothing_reads_the_wall_clock(module: str) -> None:
    """No quota, budget or answer depends on a clock that somebody can set."""
    tree = ast.parse((Path(quota.__file__).parent / f"{module}.py").read_text())
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    read = {call.attr for call in calls if isinstance(call, ast.Attribute)} & _WALL_CLOCKS
    owners = {ast.unparse(call) for call in calls if isinstance(call, ast.Attribute) and call.attr in read}
    assert owners <= {"self._store.now"}
