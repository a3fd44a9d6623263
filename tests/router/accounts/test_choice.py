"""Named routes, shortcuts and saturation with accounts: what plans allow, what is kept, what is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.spec import Fleet
from router.opening import Archive
from tests.router.accounts.test_books import CHAT, Bank
from tests.router.client import Client
from tests.router.engine import Exchange, silent
from tests.router.gateway import Running, Trio, chat
from tests.router.test_choice import fleet_of

pytestmark = pytest.mark.anyio

PLANS = {
    "unlimited": {},
    "poets": {"routes": ["poet"]},
    "nobody": {"routes": []},
    "small": {"tiers": ["small"]},
    "brisk": {"when_busy": ["reject"], "messages_per_month": 9, "tokens_per_month": 5000},
}


@pytest.fixture
async def bank(engines: Trio, database: str, tmp_path: Path) -> AsyncIterator[Bank]:
    """A gateway with accounts, routes, shortcuts, and a rule for a plan; one request saturates a model."""
    routing = {"busy_in_flight": 1, "rules": [{"to": "large", "plans": ["poets"]}]}
    fleet: Fleet = fleet_of(engines, tenants={"access": "keys", "plans": PLANS}, routing=routing)
    async with Running(fleet, archive=Archive(database, tmp_path)) as running:
        yield Bank(running, database, (tmp_path / "admin.key").read_text().strip())


async def test_a_plan_says_which_routes(bank: Bank) -> None:
    """Others are refused, and not listed."""
    key = await bank.key("poets")
    assert (await bank.ask(key, model="poet")).status == 200
    refused = await bank.ask(key, model="careful")
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")


async def test_a_route_is_no_way_around_a_plan(bank: Bank) -> None:
    """Its model has to be allowed too."""
    refused = await bank.ask(await bank.key("small"), model="careful")
    assert (refused.status, refused.error["code"]) == (403, "model_not_allowed")


async def test_a_rule_for_a_plan(bank: Bank) -> None:
    """By the plan's name."""
    answer = await bank.ask(await bank.key("poets"))
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-reason")) == ("l", "rule")


async def test_a_shortcut_has_a_row_and_costs_nothing(bank: Bank) -> None:
    """A message of the quota, no tokens, no money."""
    answer = await bank.ask(await bank.key("brisk"), messages=chat("Hello!")["messages"])
    assert answer.header("x-freehold-reason") == "shortcut"
    [row] = await bank.rows()
    assert (row["model"], row["tier"], row["reason"], row["outcome"]) == (
        "shortcut",
        "shortcut",
        "shortcut",
        "complete",
    )
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_micros"], row["gpu_ms"]) == (0, 0, 0, 0)
    used = {row["kind"]: row["used"] for row in await bank.rows("SELECT kind, used FROM quota_windows")}
    assert (used["messages_per_month"], used.get("tokens_per_month", 0)) == (1, 0)


async def test_what_is_kept_is_kept_by_route(bank: Bank, engines: Trio) -> None:
    """The same question to the model and to a route of it are two answers; each is given again."""
    key = await bank.key("unlimited")
    hits = [
        (await bank.ask(key, model=model, temperature=0, max_tokens=40)).header("x-freehold-cache")
        for model in ("s", "poet", "s", "poet")
    ]
    assert hits == ["", "", "hit", "hit"]
    assert len(engines.small.seen) == 2


async def test_the_answer_without_an_adapter_is_not_kept_as_one_with(bank: Bank, engines: Trio) -> None:
    """It is asked for again."""

    async def unknown(exchange: Exchange) -> None:
        exchange.answer({"message": "no such model"}, 404)

    key = await bank.key("unlimited")
    engines.small.plays.append(unknown)
    hits = [(await bank.ask(key, model="poet", temperature=0)).header("x-freehold-cache") for _ in range(2)]
    assert hits == ["", ""]


async def test_a_plan_that_would_rather_be_refused(bank: Bank, engines: Trio) -> None:
    """While the model is busy with another's request, its own gets a 429; the other plan's goes elsewhere."""
    brisk, usual = await bank.key("brisk", "b"), await bank.key("unlimited", "u")
    engines.small.then(silent)
    async with Client(bank.running.port) as first:
        first.ask(CHAT, chat(), authorization=f"Bearer {usual}")
        await engines.small.arrival()
        refused = await bank.ask(brisk)
        assert (refused.status, refused.error["code"]) == (429, "saturated")
        assert refused.header("retry-after") == "1"
        degraded = await bank.ask(usual)
        assert (degraded.header("x-freehold-model"), degraded.header("x-freehold-reason")) == ("l", "busy")
