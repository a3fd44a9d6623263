"""The page and its figures over HTTP: who gets what, once and live, and how it ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.router.client import Client, Response, fetch
from tests.router.engine import soon, until
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio

LIVE = b"GET /admin/overview HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n"
CHAT = "/v1/chat/completions"
HERE = "127.0.0.1:8080"


async def overview(gateway: Running, host: str = HERE, **headers: str) -> Response:
    """The figures, asked by a browser on this machine."""
    return await fetch(gateway.port, "/admin/overview", method="GET", host=host, **headers)


async def live(client: Client) -> dict[str, Any]:
    """The next event that says something."""
    while True:
        for line in (await client.piece()).decode().splitlines():
            if line.startswith("data: "):
                found: dict[str, Any] = json.loads(line.removeprefix("data: "))
                return found


async def test_the_page_says_nothing(gateway: Running) -> None:
    """Its files are the same for everybody, below 100 kB together, and let a browser run nothing else."""
    names = ["", "page/page.css", "page/main.js", "page/preact.mjs", "page/views.js", "page/playground.js"]
    names += ["page/charts.js", "page/dom.js", "page/live.js", "page/icon.svg"]
    answers = [await gateway.get(f"/{name}") for name in names]
    assert {answer.status for answer in answers} == {200}
    assert sum(len(answer.body) for answer in answers) < 100_000
    policy = answers[0].header("content-security-policy")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_an_unchanged_file_is_not_sent_again(gateway: Running) -> None:
    """The browser asks with the tag that it has."""
    tag = (await gateway.get("/")).header("etag")
    async with Client(gateway.port) as client:
        client.ask("/", method="GET", if_none_match=tag)
        assert (await client.head()).status == 304


async def test_the_figures(gateway: Running, engines: Trio) -> None:
    """What has been answered, by whom and why, without a word of what was said."""
    await gateway.chat()
    engines.small.stop()
    await gateway.chat(model="s")
    answer = await overview(gateway)
    found = answer.json
    assert found["split"]["hour"] == [
        {"place": "small", "answers": 1, "tokens": 10, "reasons": [{"reason": "short-prompt", "answers": 1}]}
    ]
    assert (found["stayed"], found["saved"], found["scaling"]) == ({"answers": 1.0, "tokens": 1.0}, None, None)
    assert found["problems"][0]["what"] == "upstream_connect"
    assert [(model["name"], model["replicas"], model["available"]) for model in found["models"]][1] == ("l", None, True)
    assert answer.header("cache-control") == "no-store"
    assert "Hello" not in answer.body.decode()


@pytest.mark.parametrize(
    ("host", "origin", "code"),
    [
        ("example.com:8080", "", "foreign_host"),
        (HERE, "https://example.com", "foreign_origin"),
        (HERE, "null", "foreign_origin"),
    ],
    ids=["rebinding", "page", "frame"],
)
async def test_other_pages_see_nothing(gateway: Running, host: str, origin: str, code: str) -> None:
    """Without keys the figures are for this machine's own browser."""
    refused = await overview(gateway, host, **({"origin": origin} if origin else {}))
    assert (refused.status, refused.error["code"]) == (403, code)


@pytest.mark.parametrize("spillover", [{}, {"open_usd_per_day": 1}], ids=["free", "paid"])
async def test_other_pages_spend_nothing(engines: Trio, spillover: dict[str, Any]) -> None:
    """A form on a web site may be sent here, but no engine hears of it."""
    fleet = engines.fleet()
    fleet = fleet.model_copy(update={"spillover": fleet.spillover.model_copy(update=spillover)})
    async with Running(fleet) as gateway:
        refused = await gateway.post(CHAT, chat(), origin="https://example.com", content_type="text/plain")
        assert (refused.status, refused.error["code"]) == (403, "foreign_origin")
        assert (await gateway.post(CHAT, chat(), origin="http://localhost:8080")).status == 200
        assert len(engines.small.seen) == 1


async def test_live(gateway: Running) -> None:
    """All sections at first, then those that have changed."""
    async with Client(gateway.port) as client:
        client.send(LIVE)
        assert (await client.head()).header("content-type").startswith("text/event-stream")
        first = await live(client)
        assert {"fleet", "models", "split", "series", "problems", "money"} <= set(first)
        await gateway.chat()
        changed = await live(client)
        while "split" not in changed:
            changed = await live(client)
        assert "fleet" not in changed
        assert changed["split"]["live"][0]["answers"] == 1


async def test_a_closed_page_costs_nothing(gateway: Running) -> None:
    """Once the browser has gone, its stream ends."""
    async with Client(gateway.port) as client:
        client.send(LIVE)
        await client.head()
        await live(client)
    await gateway.alone()

    async def nobody() -> bool:
        return not gateway.server.server_state.tasks

    await until(nobody)
    assert (await overview(gateway)).status == 200


async def test_too_many_pages(gateway: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than are served at once is told to come back."""
    monkeypatch.setattr("router.page.routes.MOST_LIVE", 0)
    async with Client(gateway.port) as client:
        client.send(LIVE)
        refused = await client.response()
    assert (refused.status, refused.header("retry-after")) == (503, "30")


async def test_an_open_page_delays_no_restart(engines: Trio) -> None:
    """SIGTERM ends a live page's stream at once, as a whole answer."""
    gateway = Running(engines.fleet())
    end = asyncio.create_task(gateway.serve())

    async def started() -> bool:
        return gateway.server.started

    await until(started)
    async with Client(gateway.port) as client:
        client.send(LIVE)
        head = await client.head()
        await live(client)
        gateway.terminate()
        assert (await client.rest(head)).whole
    await soon(end)
