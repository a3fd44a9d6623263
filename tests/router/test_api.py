"""What does not generate: models, decisions, readiness, and a description that is held against what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
import schemathesis
import uvloop
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from router.wire.openapi import describe
from tests.router.client import Client
from tests.router.engine import Exchange, silent
from tests.router.gateway import Running, Trio, chat, fleet_of

pytestmark = pytest.mark.anyio


async def test_models_tiers_and_auto(gateway: Running) -> None:
    """Models, tiers and ``auto`` are listed, with what they can do and hold."""
    listed = (await gateway.get("/v1/models")).json
    assert listed["object"] == "list"
    cards = {card["id"]: card for card in listed["data"]}
    assert set(cards) == {"s", "l", "e", "small", "large", "embedding", "auto"}
    assert (cards["s"]["context_length"], cards["auto"]["context_length"]) == (4096, 8192)
    assert cards["auto"]["capabilities"] == ["chat", "json_schema", "tools", "vision"]
    assert cards["embedding"]["models"] == ["e"]
    assert {card["object"] for card in cards.values()} == {"model"}
    assert (await gateway.get("/v1/models/s")).json == cards["s"]


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e%2fetc", "s%00"], ids=str)
async def test_no_such_model(gateway: Running, name: str) -> None:
    """A name that nothing has is a 404 in OpenAI's shape."""
    response = await gateway.get(f"/v1/models/{name}")
    assert (response.status, bool(response.error["code"])) == (404, True)


async def test_a_decision_without_an_answer(gateway: Running, engines: Trio) -> None:
    """``/v1/route`` says who would answer and why, and no engine generates."""
    found = (await gateway.post("/v1/route", chat())).json
    assert (found["model"], found["tier"], found["reason"]) == ("s", "small", "short-prompt")
    assert found["alternatives"] == ["l"]
    assert not any(engine.seen for engine in engines)


PICTURE = "data:image/png;base64,iVBORw0KGgo="
ROUTED: dict[str, tuple[dict[str, Any], str]] = {
    "completion": ({"model": "auto", "prompt": "Once"}, "s"),
    "embedding": ({"model": "auto", "input": "Once"}, "e"),
    "responses": ({"model": "auto", "input": "Once", "max_output_tokens": 5}, "s"),
    "responses-instructed": ({"model": "auto", "input": "Once", "instructions": "Be brief."}, "s"),
    "picture": (
        chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PICTURE}}]}]),
        "l",
    ),
}


@pytest.mark.parametrize(("body", "model"), ROUTED.values(), ids=ROUTED)
async def test_decisions_for_every_kind(gateway: Running, body: dict[str, Any], model: str) -> None:
    """The body's fields tell which endpoint it is meant for."""
    response = await gateway.post("/v1/route", body)
    assert (response.status, response.json.get("model")) == (200, model)


BAD: dict[str, tuple[object, int, str]] = {
    "empty": (b"", 400, "invalid_json"),
    "not-json": (b"{", 400, "invalid_json"),
    "nan": (b'{"model":NaN}', 400, "invalid_json"),
    "array": (b"[]", 400, "invalid_value"),
    "deep": (b"[" * 100_000, 400, "nesting_too_deep"),
    "unknown": (chat(model="gpt-9"), 404, "model_not_found"),
    "large": (b" " * (11 << 20), 413, "request_too_large"),
}


@pytest.mark.parametrize(("body", "status", "code"), BAD.values(), ids=BAD)
async def test_no_decision_for_a_bad_body(gateway: Running, body: object, status: int, code: str) -> None:
    """A body that would be refused is refused here for the same reason."""
    response = await gateway.post("/v1/route", body)
    assert (response.status, response.error["code"]) == (status, code)


async def test_ready_when_every_tier_answers(gateway: Running) -> None:
    """Every tier has a target that lists its models."""
    response = await gateway.get("/readyz")
    assert (response.status, response.json["ready"]) == (200, True)
    assert response.json["tiers"] == {"small": True, "large": True, "embedding": True}


async def test_not_ready_when_a_tier_is_gone(engines: Trio) -> None:
    """A tier without a target that answers makes the gateway not ready; it lives nevertheless."""
    fleet = engines.fleet()
    engines.embed.stop()
    async with Running(fleet) as gateway:
        response = await gateway.get("/readyz")
        assert (response.status, response.json["tiers"]["embedding"]) == (503, False)
        assert (await gateway.get("/healthz")).status == 200


async def test_many_probes_are_one(gateway: Running, engines: Trio) -> None:
    """A hundred probes at once do not become a hundred probes of every engine."""
    answers = await asyncio.gather(*(gateway.get("/readyz") for _ in range(100)))
    assert {response.status for response in answers} == {200}
    assert len(engines.small.asides) < 10


async def test_a_stale_connection_is_not_unready(gateway: Running, engines: Trio) -> None:
    """A kept connection that the engine closes as it is probed does not make it look down."""

    async def closes(exchange: Exchange) -> None:
        exchange.close()

    assert (await gateway.chat()).status == 200
    engines.small.lists = closes
    assert (await gateway.get("/readyz")).status == 200


async def test_probes_do_not_wait_in_line(engines: Trio) -> None:
    """Engines that hang are probed side by side: one is asked while the others still are."""
    for engine in engines:
        engine.lists = silent
    async with Running(engines.fleet()) as gateway, Client(gateway.port) as client:
        client.ask("/readyz", method="GET")
        probes = [await engine.aside() for engine in engines]
        assert not any(probe.gone.is_set() for probe in probes)
        engines.small.stop()
        engines.large.stop()
        engines.embed.stop()
        assert (await client.response()).status == 503


async def test_docs_need_nothing_else(gateway: Running) -> None:
    """The page for people lists every path, and loads nothing from anywhere."""
    page = (await gateway.get("/docs")).body.decode()
    document = (await gateway.get("/openapi.json")).json
    assert all(path in page for path in document["paths"])
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page


async def test_the_description_knows_every_path(gateway: Running) -> None:
    """What is described is answered, and by the method that is described."""
    document = (await gateway.get("/openapi.json")).json
    for path, methods in document["paths"].items():
        for method in methods:
            response = await gateway.request(method.upper(), path.replace("{model}", "s"))
            assert response.status not in {404, 405, 500}, (method, path)


@contextmanager
def in_a_thread() -> Iterator[int]:
    """A gateway in a loop of its own, for clients that block; its port."""
    loop = uvloop.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()

    async def start() -> tuple[Trio, Running]:
        trio = await Trio().__aenter__()
        return trio, await Running(trio.fleet()).__aenter__()

    async def stop() -> None:
        await gateway.__aexit__()
        await trio.__aexit__()

    trio, gateway = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield gateway.port
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """One gateway for all of schemathesis."""
    with in_a_thread() as found:
        yield found


DOCUMENT = describe(fleet_of("http://x", "http://x", "http://x"))
OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]


@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method}-{path}" for path, method in OPERATIONS])
def test_what_is_answered_is_what_is_described(port: int, path: str, method: str) -> None:
    """Whatever the description allows, the answer is one that it describes, and never a mistake of ours."""
    operation = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")[path][method.upper()]
    tried = 0

    @settings(max_examples=15, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def call(case: schemathesis.Case[Any]) -> None:
        nonlocal tried
        tried += 1
        case.call_and_validate(checks=CHECKS)

    call()
    assert tried
