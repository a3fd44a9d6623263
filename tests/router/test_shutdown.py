"""SIGTERM while requests run, wait and arrive: none is lost, and what outlasts the drain has a clear end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import router.server
from tests.router.client import Client, Response
from tests.router.engine import DONE, Exchange, delta, silent, soon, until, usual
from tests.router.gateway import Running, Trio, chat
from tests.router.test_gateway import BODIES

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
LINGER_S = 0.3


@pytest.fixture(autouse=True)
def _short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second per test adds up."""
    monkeypatch.setattr(router.server, "LINGER_S", LINGER_S)


@asynccontextmanager
async def serving(engines: Trio, **settings: Any) -> AsyncIterator[Running]:  # noqa: ANN401 - as in a fleet file
    """A gateway that ends by itself: leaving waits for its end."""
    gateway = Running(engines.fleet(**settings))
    end = asyncio.create_task(gateway.serve())

    async def started() -> bool:
        return gateway.server.started

    await until(started)
    yield gateway
    gateway.terminate()
    await soon(end)


async def closing(gateway: Running) -> None:
    """Wait until the port is closed: from then on the gateway drains."""

    async def refused() -> bool:
        try:
            async with Client(gateway.port):
                return False
        except ConnectionError:
            return True

    await until(refused)


def held(go: asyncio.Event) -> Callable[[Exchange], Any]:
    """A play that begins, and ends when it may."""

    async def play(exchange: Exchange) -> None:
        if exchange.request.get("stream"):
            exchange.begin()
            exchange.piece(delta("begun"))
            await go.wait()
            exchange.piece(DONE)
            exchange.end()
        else:
            await go.wait()
            await usual(exchange)

    return play


async def test_nothing_to_do(engines: Trio) -> None:
    """A gateway that nobody uses ends."""
    async with serving(engines) as gateway:
        assert (await gateway.get("/healthz")).status == 200
    assert not gateway.server.server_state.connections


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_what_runs_is_finished(engines: Trio, stream: bool) -> None:
    """A request that runs when SIGTERM comes is answered to its end."""
    go = asyncio.Event()
    engines.small.then(*[held(go)] * 10)
    async with serving(engines) as gateway:
        answers = [asyncio.create_task(gateway.chat(model="s", stream=stream)) for _ in range(10)]
        for _ in answers:
            await engines.small.arrival()
        gateway.terminate()
        await closing(gateway)
        go.set()
        for answer in answers:
            response = await soon(answer)
            assert (response.status, response.whole) == (200, True)
    assert [line["outcome"] for line in await gateway.told(10)] == ["complete"] * 10


async def test_what_waits_is_answered(engines: Trio) -> None:
    """Requests in the queue when SIGTERM comes get their turn."""
    go = asyncio.Event()
    engines.small.then(held(go))
    async with serving(engines, limits={"in_flight": 1}) as gateway:
        answers = [asyncio.create_task(gateway.chat(model="s")) for _ in range(5)]
        await engines.small.arrival()
        await gateway.queued(4)
        gateway.terminate()
        await closing(gateway)
        go.set()
        assert [(await soon(answer)).status for answer in answers] == [200] * 5


async def test_kept_connections_are_answered_and_then_told(engines: Trio) -> None:
    """A request that was on its way over a kept connection is answered, and told that it was the last."""
    async with serving(engines) as gateway, Client(gateway.port) as client:
        client.ask(CHAT, chat())
        assert (await client.response()).header("connection") == ""
        gateway.terminate()
        await closing(gateway)
        client.ask(CHAT, chat())
        response = await client.response()
        assert (response.status, response.header("connection")) == (200, "close")
        await client.until_closed()


async def test_the_request_after_a_stream(engines: Trio) -> None:
    """A stream that began before SIGTERM could not say that it is the last; what follows it is answered."""
    go = asyncio.Event()
    engines.small.then(held(go))
    async with serving(engines) as gateway, Client(gateway.port) as client:
        client.ask(CHAT, chat(stream=True))
        await client.head()
        await client.piece()
        gateway.terminate()
        await closing(gateway)
        go.set()
        while await client.piece():
            pass
        client.ask(CHAT, chat())
        response = await client.response()
        assert (response.status, response.header("connection")) == (200, "close")


async def test_requests_that_were_sent_ahead(engines: Trio) -> None:
    """Requests that wait behind a running one are answered, the last with ``connection: close``."""
    go = asyncio.Event()
    engines.small.then(held(go))
    async with serving(engines) as gateway, Client(gateway.port) as client:
        for _ in range(4):
            client.ask(CHAT, chat())
        await engines.small.arrival()
        gateway.terminate()
        await closing(gateway)
        go.set()
        answers = [await client.response() for _ in range(4)]
        assert [response.status for response in answers] == [200] * 4
        assert [response.header("connection") for response in answers] == ["", "", "", "close"]


async def test_a_header_on_its_way(engines: Trio) -> None:
    """A request of which half has arrived is read to its end and answered."""
    async with serving(engines) as gateway, Client(gateway.port) as client:
        body = json.dumps(chat()).encode()
        raw = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body
        client.send(raw[:30])
        await gateway.get("/healthz")
        gateway.terminate()
        await closing(gateway)
        client.send(raw[30:])
        assert (await client.response()).status == 200


async def test_requests_without_a_pause(engines: Trio) -> None:
    """Clients that ask on and on over kept connections lose nothing: every answer is whole, the last one says so."""
    answered = 0

    async def asks(gateway: Running, stream: bool) -> Response:
        nonlocal answered
        async with Client(gateway.port) as client:
            while True:
                client.ask(CHAT, chat(stream=stream))
                response = await client.response()
                assert (response.status, response.whole) == (200, True)
                answered += 1
                if response.header("connection") == "close":
                    return response

    async with serving(engines) as gateway:
        clients = [asyncio.create_task(asks(gateway, bool(number % 2))) for number in range(20)]

        async def busy() -> bool:
            return answered > 100

        await until(busy)
        gateway.terminate()
        await soon(asyncio.gather(*clients))
    assert len(await gateway.told(answered)) == answered


@pytest.mark.parametrize("path", [path for path in BODIES if path != "embeddings"], ids=str)
async def test_a_stream_that_outlasts_the_drain(engines: Trio, path: str) -> None:
    """After ``drain`` seconds a stream is ended by an error event, without its ending."""

    async def begins(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(delta("begun"))
        await exchange.gone.wait()

    engines.small.then(begins)
    async with serving(engines, deadlines={"drain": 1}) as gateway, Client(gateway.port) as client:
        client.ask(f"/v1/{path}", {**BODIES[path], "stream": True})
        response = await client.head()
        gateway.terminate()
        response = await client.rest(response)
        assert response.whole
        assert b"deadline_drain" in response.body or path == "messages"
        assert b"event: error" in response.body
        assert b"[DONE]" not in response.body
        await engines.small.seen[0].left()
    (line,) = await gateway.told()
    assert (line["outcome"], line["status"], line["error"]) == ("cut", 200, "deadline_drain")


async def test_an_answer_that_outlasts_the_drain(engines: Trio) -> None:
    """After ``drain`` seconds a request without an answer gets an error in OpenAI's shape."""
    engines.small.then(silent)
    async with serving(engines, deadlines={"drain": 1}) as gateway:
        waiting = asyncio.create_task(gateway.chat(model="s"))
        await engines.small.arrival()
        gateway.terminate()
        response = await soon(waiting)
        assert (response.status, response.error["code"]) == (504, "deadline_drain")
    (line,) = await gateway.told()
    assert (line["outcome"], line["status"]) == ("failed", 504)


async def test_a_client_that_never_reads_does_not_hold_up_the_end(engines: Trio) -> None:
    """The end comes within the drain's time although a client takes nothing."""

    async def floods(exchange: Exchange) -> None:
        exchange.begin()
        while not exchange.gone.is_set():
            if exchange.wire.transport.get_write_buffer_size() < 1 << 20:
                exchange.piece(delta("x" * 65_000))
            await asyncio.sleep(0)

    engines.small.then(floods)
    async with serving(engines, deadlines={"drain": 1, "client": 0.5}) as gateway, Client(gateway.port) as client:
        client.ask(CHAT, chat(stream=True))
        await client.head()
        client.stop_reading()
        gateway.terminate()
        await engines.small.seen[0].left()
        assert engines.small.seen[0].gone.is_set()


async def test_the_log_is_whole_at_the_end(engines: Trio) -> None:
    """What was gathered for the log is written before the process ends."""
    async with serving(engines) as gateway:
        for _ in range(3):
            assert (await gateway.chat()).status == 200
    assert gateway.log_bytes.count(b'"event":"request"') == 3
