"""The cascade with accounts: a row for each attempt, and nobody pays for what was never shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cluster.spec import Fleet
from router.opening import Archive
from tests.router.accounts.test_books import PLANS, Bank
from tests.router.client import Client
from tests.router.doubtful import TOKENS, begins, sure, weighing
from tests.router.engine import USAGE, soon
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio
PRICE = {"prompt": 3, "completion": 15}


@pytest.fixture
async def bank(engines: Trio, database: str, tmp_path: Path) -> AsyncIterator[Bank]:
    """A gateway with accounts and a cascade."""
    plain = weighing(engines).model_dump(exclude_unset=True)
    accounts = {"tenants": {"access": "keys", "plans": PLANS}, "spillover": {"baseline": PRICE}}
    fleet = Fleet.model_validate({**plain, **accounts})
    async with Running(fleet, archive=Archive(database, tmp_path)) as running:
        yield Bank(running, database, (tmp_path / "admin.key").read_text().strip())


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_both_attempts_have_a_row(bank: Bank, engines: Trio, stream: bool) -> None:
    """The one that was given up with what it generated; the caller's quota pays for the one that it saw."""
    key = await bank.key("plenty")
    engines.small.then(sure(-0.1), begins(-4.0))
    await bank.ask(key, stream=stream)
    answer = await bank.ask(key, stream=stream)
    rows = [row for row in await bank.rows() if row["request_id"] == answer.header("x-request-id")]
    assert [(row["attempt"], row["model"], row["outcome"], row["completion_tokens"]) for row in rows] == [
        (1, "s", "escalated", TOKENS),
        (2, "l", "complete", USAGE["completion_tokens"]),
    ]
    assert [row["reason"] for row in rows] == ["short-prompt", "cascade-escalated"]
    assert [row["baseline_micros"] > 0 for row in rows] == [False, True]
    [used] = await bank.rows("SELECT used FROM quota_windows WHERE kind = 'messages_per_month'")
    assert used["used"] == 2


async def test_a_kept_answer_is_kept_for_the_same_request(bank: Bank, engines: Trio) -> None:
    """The cache has what the caller saw, without log probabilities; one that was given up is not kept for ``small``."""
    key = await bank.key("plenty")
    engines.small.then(sure(-0.1), begins(-4.0), begins(-4.0))
    kept = await bank.ask(key, stream=True, temperature=0)
    again = await bank.ask(key, stream=True, temperature=0)
    assert (again.body, again.header("x-freehold-cache")) == (kept.body, "hit")
    given_up = await bank.ask(key, stream=True, temperature=0, max_tokens=99)
    assert given_up.header("x-freehold-reason") == "cascade-escalated"
    assert (await bank.ask(key, stream=True, temperature=0, max_tokens=99)).header("x-freehold-cache") == ""


async def test_who_leaves_while_it_is_held_leaves_a_row(bank: Bank, engines: Trio) -> None:
    """With the tokens that the engine spent on it."""
    key = await bank.key("plenty")
    engines.small.then(begins(count=TOKENS - 1))
    async with Client(bank.running.port) as client:
        client.ask("/v1/chat/completions", chat(stream=True), authorization=f"Bearer {key}")
        held = await engines.small.arrival()
        await soon(held.said.wait())
        await bank.running.get("/healthz")  # whatever was sent before it has been read
    await held.left()
    await bank.running.told()
    [row] = await bank.rows()
    assert (row["outcome"], row["completion_tokens"]) == ("gone", TOKENS - 1)
