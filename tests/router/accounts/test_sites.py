"""Sites with accounts, on two real databases: each hop is booked once, paid by its caller, asked by who may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from cluster.spec import Fleet
from router.opening import Archive
from tests.router.accounts.conftest import Server
from tests.router.accounts.test_books import PLANS, Bank
from tests.router.engine import USAGE
from tests.router.gateway import Running, Trio
from tests.router.sites import Json, fleet_at, known

pytestmark = pytest.mark.anyio

KEY_ENV = "FREEHOLD_TEST_SITE_KEY"
TOKENS = (USAGE["prompt_tokens"], USAGE["completion_tokens"])


def kept(here: str, trio: Trio, sites: dict[str, Json]) -> Fleet:
    """A site's fleet behind keys."""
    plans: Json = {**PLANS, "near": {"regions": ["eu"]}, "home": {"regions": []}}
    budget = {"usd_per_day": 5, "usd_per_month": 5}
    return fleet_at(here, trio, sites, tenants={"access": "keys", "plans": plans, "budget": budget})


class Two:
    """``ber``, whose small engine is dead, and ``fra``, which it may ask."""

    def __init__(self, ber: Bank, fra: Bank) -> None:
        """Both run."""
        self.ber, self.fra = ber, fra


Start = Callable[..., Any]


@pytest.fixture
async def start(engines: Trio, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts both; ``scope`` is of the key that ``ber`` has at ``fra``, the rest of ``fra`` in the fleet of ``ber``."""
    async with AsyncExitStack() as stack:

        async def started(scope: tuple[str, ...] = ("site",), **site: object) -> Two:
            banks = []
            sites: dict[str, Json] = {}
            for name, trio in (("fra", await stack.enter_async_context(Trio())), ("ber", engines)):
                home, url = tmp_path / name, server.create()
                home.mkdir()
                running = Running(kept(name, trio, sites), archive=Archive(url, home))
                await stack.enter_async_context(running)
                banks.append(Bank(running, url, (home / "admin.key").read_text().strip()))
                if name == "fra":
                    monkeypatch.setenv(KEY_ENV, await banks[0].key("unlimited", "ber", endpoints=list(scope)))
                    url = f"http://127.0.0.1:{running.port}"
                    sites["fra"] = {"url": url, "api_key_env": KEY_ENV, "region": "eu", **site}
            engines.small.stop()
            await known(banks[1].running)
            return Two(banks[1], banks[0])

        yield started


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_each_hop_is_booked_once(start: Start, stream: bool) -> None:
    """Here under the caller, there under this site, with the same tokens, and names that join; one message is used."""
    two = await start()
    answer = await two.ber.ask(await two.ber.key("plenty"), model="s", stream=stream)
    assert (answer.status, answer.whole) == (200, True)
    [tried, here], [there] = await two.ber.rows(), await two.fra.rows()
    assert (tried["model"], tried["outcome"], tried["prompt_tokens"]) == ("s", "retried", 0)
    assert [(row["tenant"], row["model"]) for row in (here, there)] == [("acme", "s@fra"), ("ber", "s")]
    assert [(row["prompt_tokens"], row["completion_tokens"]) for row in (here, there)] == [TOKENS, TOKENS]
    assert here["request_id"] == answer.header("x-request-id") == there["request_id"].partition(".")[0]
    [month] = await two.ber.rows("SELECT used FROM quota_windows WHERE kind = 'messages_per_month'")
    [left] = await two.ber.rows("SELECT * FROM egress")
    assert (month["used"], left["model"], left["request_id"]) == (1, "s@fra", here["request_id"])


async def test_a_plan_says_in_which_regions(start: Start) -> None:
    """A site of your own needs no ``egress``, only a region that the plan has; ``never`` needs no plan."""
    two = await start()
    keys = {plan: await two.ber.key(plan, plan) for plan in ("unlimited", "near", "home")}
    found = {plan: (await two.ber.ask(key, model="s")).status for plan, key in keys.items()}
    never = await two.ber.ask(keys["near"], {"x_freehold_egress": "never"}, model="s")
    assert found | {"never": never.status} == {"unlimited": 200, "near": 200, "home": 503, "never": 503}
    assert len(await two.fra.rows()) == 2


async def test_a_site_of_somebody_else_is_paid(start: Start) -> None:
    """Like any paid target: permission first, the worst case reserved, the true cost in the ledger."""
    two = await start(egress="outside", price={"prompt": 3, "completion": 15})
    plans = ("paying", "unlimited", "broke")
    found = {plan: (await two.ber.ask(await two.ber.key(plan, plan), model="s")).status for plan in plans}
    assert found == {"paying": 200, "unlimited": 503, "broke": 402}
    costs = {row["tenant"]: row["cost_micros"] for row in await two.ber.rows() if row["outcome"] == "complete"}
    assert costs == {"paying": 3 * TOKENS[0] + 15 * TOKENS[1]}
    assert len(await two.fra.rows()) == 1


async def test_hops_are_believed_from_sites_alone(start: Start) -> None:
    """From any other key they are refused before anything is asked, and no row is written."""
    two = await start()
    scopes: dict[str, list[str]] = {"any": [], "chatting": ["chat"], "iad": ["site"]}
    keys = {name: await two.fra.key("unlimited", name, endpoints=scope) for name, scope in scopes.items()}
    answers = {name: await two.fra.ask(key, {"x_freehold_hops": "iad"}, model="s") for name, key in keys.items()}
    assert {name: answer.status for name, answer in answers.items()} == {"any": 403, "chatting": 403, "iad": 200}
    assert answers["any"].error["code"] == "hops_not_allowed"
    assert [row["tenant"] for row in await two.fra.rows()] == ["iad"]


async def test_a_key_that_is_not_for_sites_is_told_at_once(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    """The site counts as down, and the log says how to make the key."""
    two = await start(scope=("chat",))
    assert not await two.ber.running.targets["s@fra"].answers()
    assert "--endpoint site" in caplog.text
    assert (await two.ber.ask(await two.ber.key("unlimited"), model="s")).status == 503
    assert not await two.fra.rows()
