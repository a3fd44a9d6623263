"""Accounts around real requests: a gateway with a real database before scripted engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from cluster.spec import Fleet
from router.opening import Archive
from tests.router.client import Client, Response
from tests.router.engine import COUNTED, DONE, STOP, USAGE, WORDS, Exchange, soon
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
PLANS = {
    "unlimited": {},
    "two": {"messages_per_month": 2},
    "plenty": {"messages_per_month": 100_000, "requests_per_minute": 10_000},
    "small": {"tiers": ["small"]},
    "paying": {"egress": True, "usd_per_day": 1, "usd_per_month": 1},
    "broke": {"egress": True},
}


class Bank:
    """A gateway with accounts, and a look into its database."""

    def __init__(self, running: Running, database: str, admin: str) -> None:
        """``admin`` is the key that the first start made."""
        self.running, self._database, self._admin = running, database, admin

    async def key(self, plan: str, tenant: str = "acme", **scope: object) -> str:
        """A new tenant with a plan, and a key of it."""
        made = await self.admin("/admin/tenants", {"name": tenant, "plan": plan})
        assert made.status in {200, 201}, made.body
        key = await self.admin("/admin/keys", {"tenant": tenant, **scope})
        assert key.status in {200, 201}, key.body
        return str(key.json["key"])

    async def admin(self, path: str, body: object) -> Response:
        """Ask the admin API."""
        return await self.running.post(path, body, authorization=f"Bearer {self._admin}")

    async def ask(self, key: str, headers: dict[str, str] | None = None, **fields: object) -> Response:
        """A short conversation with ``auto``."""
        body = {**chat(), **fields}
        return await self.running.post(CHAT, body, authorization=f"Bearer {key}", **(headers or {}))

    @property
    def statements(self) -> int:
        """How many the gateway has sent to the database."""
        desk = self.running.app.app._gateway.desk  # type: ignore[attr-defined] # through the middleware
        return int(desk.offices.store.statements)

    async def rows(self, sql: str = "SELECT * FROM ledger ORDER BY at, attempt") -> list[dict[str, Any]]:
        """What the database has."""
        async with await psycopg.AsyncConnection.connect(self._database) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return await (await cursor.execute(sql.encode())).fetchall()


def banked(trio: Trio) -> Fleet:
    """The usual fleet behind keys; its large model costs a dollar per 1,000 tokens."""
    plain = trio.fleet().model_dump(exclude_unset=True)
    plain["models"]["l"]["price"] = {"prompt": 1000, "completion": 1000}
    budget = {"usd_per_day": 5, "usd_per_month": 5}
    plain["tenants"] = {"access": "keys", "plans": PLANS, "budget": budget, "in_metrics": 2}
    plain["spillover"] = {"baseline": {"prompt": 2000, "completion": 2000}}
    return Fleet.model_validate(plain)


@pytest.fixture
async def bank(engines: Trio, database: str, tmp_path: Path) -> AsyncIterator[Bank]:
    """A gateway with accounts."""
    async with Running(banked(engines), archive=Archive(database, tmp_path)) as running:
        yield Bank(running, database, (tmp_path / "admin.key").read_text().strip())


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_answer_is_in_the_ledger_when_it_ends(bank: Bank, stream: bool) -> None:
    """Once the client has the end, the row is there: with the engine's count, the caller, and no text."""
    answer = await bank.ask(await bank.key("unlimited"), stream=stream)
    assert answer.whole
    [row] = await bank.rows()
    assert (row["tenant"], row["model"], row["outcome"], row["status"]) == ("acme", "s", "complete", 200)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    assert row["request_id"] == answer.header("x-request-id")


async def test_without_a_key_nothing_is_asked(bank: Bank, engines: Trio) -> None:
    """401, no row, and the engine never hears of it."""
    refused = await bank.running.post(CHAT, chat())
    assert (refused.status, refused.error["code"]) == (401, "missing_api_key")
    assert not await bank.rows()
    assert not engines.small.seen


async def test_a_plan_of_two_messages_gives_two(bank: Bank) -> None:
    """The third is refused with a time to come back; what was refused is not counted."""
    key = await bank.key("two")
    assert [(await bank.ask(key)).status for _ in range(2)] == [200, 200]
    third = await bank.ask(key)
    assert (third.status, third.error["code"]) == (429, "insufficient_quota")
    assert int(third.header("retry-after")) > 0
    assert len(await bank.rows()) == 2


async def test_what_the_engine_refuses_is_not_counted(bank: Bank, engines: Trio) -> None:
    """A 400 of the engine's leaves the message to the caller."""
    key = await bank.key("two")

    async def refuse(exchange: Exchange) -> None:
        exchange.answer({"error": {"message": "no", "type": "x", "param": None, "code": 400}}, status=400)

    engines.small.then(refuse, refuse, refuse)
    assert [(await bank.ask(key, model="s")).status for _ in range(3)] == [400, 400, 400]
    assert (await bank.ask(key, model="s")).status == 200


async def test_a_plan_binds_tiers(bank: Bank) -> None:
    """``auto`` keeps to them, and naming another is refused."""
    key = await bank.key("small")
    assert (await bank.ask(key)).header("x-freehold-model") == "s"
    refused = await bank.ask(key, model="large")
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")


async def test_a_paid_model_needs_egress(bank: Bank) -> None:
    """A plan that keeps everything on the site cannot be talked into leaving it."""
    refused = await bank.ask(await bank.key("unlimited"), model="l")
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")


async def test_a_paid_answer_costs_what_it_used(bank: Bank) -> None:
    """The worst case was reserved; what is spent in the end is the true cost, to the millionth."""
    answer = await bank.ask(await bank.key("paying"), model="l", max_tokens=100)
    assert answer.status == 200, answer.body
    [row] = await bank.rows()
    assert row["cost_micros"] == 1000 * (USAGE["prompt_tokens"] + USAGE["completion_tokens"])
    windows = await bank.rows("SELECT * FROM budget_windows")
    assert {(one["reserved_micros"], one["spent_micros"]) for one in windows} == {(0, row["cost_micros"])}
    assert len(windows) == 4


async def test_money_is_in_the_metrics(bank: Bank) -> None:
    """What was charged and what it would have cost elsewhere, by model and reason; tenants by name up to a number."""
    tokens = USAGE["prompt_tokens"] + USAGE["completion_tokens"]
    keys = {tenant: await bank.key("paying", tenant) for tenant in ("first", "second", "third", "fourth")}
    for tenant in (*keys, "first"):
        assert (await bank.ask(keys[tenant], model="l", max_tokens=100)).status == 200
    assert await bank.running.metric("freehold_cost_usd_total", model="l", reason="named") == 5 * tokens / 1000
    assert await bank.running.metric("freehold_baseline_usd_total", model="l", reason="named") == 10 * tokens / 1000
    counted = {
        name: await bank.running.metric("freehold_tenant_tokens_total", tenant=name) for name in ("first", "second")
    }
    assert counted == {"first": 2 * tokens, "second": tokens}
    assert await bank.running.metric("freehold_tenant_cost_usd_total", tenant="other") == 2 * tokens / 1000
    assert await bank.running.metric("freehold_tenant_tokens_total") == 5 * tokens


async def test_without_money_a_paid_model_is_closed(bank: Bank, engines: Trio) -> None:
    """402, before anything leaves the site."""
    refused = await bank.ask(await bank.key("broke"), model="l", max_tokens=100)
    assert refused.status == 402
    assert not engines.large.seen


async def test_a_cut_stream_costs_what_was_delivered(bank: Bank, engines: Trio) -> None:
    """Three words came, then the engine broke: three tokens are charged, and the end is an error."""

    async def cut(exchange: Exchange) -> None:
        exchange.begin()
        for word in WORDS:
            exchange.piece(word)
        exchange.close()

    engines.small.then(cut)
    answer = await bank.ask(await bank.key("unlimited"), stream=True, model="s")
    assert "[DONE]" not in answer.events
    [row] = await bank.rows()
    assert (row["outcome"], row["completion_tokens"]) == ("cut", len(WORDS))


async def test_a_client_that_left_pays_for_what_it_had(bank: Bank, engines: Trio) -> None:
    """It left after the first word; the row says so."""
    key = await bank.key("unlimited")

    async def one_word(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(WORDS[0])
        await exchange.left()

    engines.small.then(one_word)
    async with Client(bank.running.port) as client:
        client.ask(CHAT, {**chat(), "stream": True, "model": "s"}, authorization=f"Bearer {key}")
        await client.head()
        await client.piece()
    exchange = await engines.small.arrival()
    await exchange.left()
    rows = await soon(_until_rows(bank))
    assert [(row["outcome"], row["completion_tokens"]) for row in rows] == [("gone", 1)]


async def _until_rows(bank: Bank) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while not rows:
        rows = await bank.rows()
    return rows


async def test_every_attempt_has_its_row(bank: Bank, engines: Trio) -> None:
    """An engine that breaks before its first byte is asked again; only the attempt that answered is charged."""

    async def broken(exchange: Exchange) -> None:
        exchange.close()

    engines.small.then(broken)
    assert (await bank.ask(await bank.key("unlimited"), model="s")).status == 200
    rows = await bank.rows()
    assert [(row["attempt"], row["outcome"], row["completion_tokens"]) for row in rows] == [
        (1, "retried", 0),
        (2, "complete", USAGE["completion_tokens"]),
    ]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_same_is_answered_again(bank: Bank, engines: Trio, stream: bool) -> None:
    """At temperature 0 the engine is asked once; the second answer is the same, says so, and costs no GPU."""
    key = await bank.key("unlimited")
    first = await bank.ask(key, model="s", temperature=0, stream=stream)
    again = await bank.ask(key, model="s", temperature=0, stream=stream)
    assert (first.body, first.header("x-freehold-cache")) == (again.body, "")
    assert (again.header("x-freehold-cache"), again.header("x-freehold-reason")) == ("hit", "cached")
    assert len(engines.small.seen) == 1
    assert [row["reason"] for row in await bank.rows()] == ["named", "cached"]


async def test_an_answer_is_not_given_to_another_tenant(bank: Bank, engines: Trio) -> None:
    """The same words from another tenant are asked of the engine."""
    for tenant in ("acme", "bolt"):
        await bank.ask(await bank.key("unlimited", tenant), model="s", temperature=0)
    assert len(engines.small.seen) == 2


async def test_a_known_key_waits_for_no_database(bank: Bank, engines: Trio) -> None:
    """With leased quota no statement is sent before a known key's first byte; the background may send its own."""
    key = await bank.key("plenty")
    await bank.ask(key, model="s")
    sent: list[int] = []

    async def counting(exchange: Exchange) -> None:
        sent.append(bank.statements)
        exchange.stream(*WORDS, STOP, COUNTED, DONE)

    before: list[int] = []
    for _ in range(5):
        before.append(bank.statements)
        engines.small.then(counting)
        assert (await bank.ask(key, model="s", stream=True)).whole
    assert min(after - earlier for earlier, after in zip(before, sent, strict=True)) == 0
