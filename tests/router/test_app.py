"""The composition root: paths that are not there, methods that are not allowed, and our own mistakes."""

from __future__ import annotations

from typing import Any

import pytest

import router.choice
import router.wire.stream
from tests.router.client import Client
from tests.router.engine import Exchange, delta
from tests.router.gateway import Running, Trio, chat
from tests.router.test_gateway import BODIES

pytestmark = pytest.mark.anyio

CANARY = "CANARY-3f9a"


@pytest.mark.parametrize(
    "path",
    [
        "/page",
        "/page/",
        "/page/preact.LICENSE",
        "/v1",
        "/v1/nothing",
        "/v1/chat",
        "/admin",
        "/%2e%2e/etc",
        "/v1//models",
    ],
    ids=str,
)
async def test_nothing_there(gateway: Running, path: str) -> None:
    """A path that nothing has is a 404 in OpenAI's shape."""
    response = await gateway.get(path)
    assert (response.status, response.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/v1/models/", "/healthz/", "/v1/chat/completions/", "/metrics/"], ids=str)
async def test_a_slash_too_many_is_no_redirect(gateway: Running, path: str) -> None:
    """No answer sends a client to a host that it named itself."""
    async with Client(gateway.port) as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: evil.example\r\n\r\n".encode())
        response = await client.response()
    assert (response.status, response.header("location")) == (404, "")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [*BODIES, "route"], ids=str)
async def test_the_wrong_method(gateway: Running, method: str, path: str) -> None:
    """A method that a path does not have is a 405 that says which it has."""
    response = await gateway.request(method, f"/v1/{path}")
    assert (response.status, response.error["code"]) == (405, "method_not_allowed")
    assert response.header("allow") == "POST"


@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/metrics"], ids=str)
async def test_reading_only(gateway: Running, path: str) -> None:
    """What can only be read says so."""
    response = await gateway.request("POST", path)
    assert response.status == 405
    assert "GET" in response.header("allow")


def breaks(*_: Any, **__: Any) -> Any:  # noqa: ANN401 - stands for anything
    """A mistake of ours."""
    raise ZeroDivisionError(CANARY)


@pytest.mark.parametrize("path", BODIES, ids=str)
async def test_a_mistake_of_ours(gateway: Running, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """An unexpected exception is a 500 in the API's shape, counted and logged, without its words."""
    monkeypatch.setattr(router.choice, "understand", breaks)
    response = await gateway.post(f"/v1/{path}", BODIES[path])
    assert response.status == 500
    assert response.json["error"]["message"]
    assert CANARY.encode() not in response.body
    assert CANARY not in gateway.log_text
    (line,) = await gateway.told()
    assert (line["status"], line["outcome"]) == (500, "failed")
    monkeypatch.undo()
    assert (await gateway.post(f"/v1/{path}", BODIES[path])).status == 200
    await gateway.settled()


async def test_a_mistake_of_ours_in_a_stream(gateway: Running, engines: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unexpected exception in the middle of a stream does not end it as if it were complete."""

    async def two_words(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(delta("one"))
        await exchange.gone.wait()

    engines.small.then(two_words)
    async with Client(gateway.port) as client:
        client.ask("/v1/chat/completions", chat(stream=True))
        response = await client.head()
        assert await client.piece() == delta("one")
        monkeypatch.setattr(router.wire.stream.StreamTail, "feed", breaks)
        exchange = await engines.small.arrival()
        exchange.piece(delta("two"))
        response = await client.rest(response)
        assert b"[DONE]" not in response.body
        assert not response.whole or b"event: error" in response.body
        await exchange.left()
    (line,) = await gateway.told()
    assert line["outcome"] == "cut"
    await gateway.settled()
