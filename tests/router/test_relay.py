"""After the first byte: bytes as they come, one ending, and no ending where the engine did not give one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.router.client import Client
from tests.router.engine import COUNTED, DONE, STOP, STREAMS, WORDS, Exchange, Play, delta, event, silent, until
from tests.router.gateway import Running, Trio, chat
from tests.router.test_gateway import BODIES

pytestmark = pytest.mark.anyio

COMPLETE = b"".join((*WORDS, STOP, DONE))


async def test_each_piece_goes_on_at_once(gateway: Running, engines: Trio) -> None:
    """A piece reaches the client before the engine has sent the next."""
    go = asyncio.Event()

    async def by_turns(exchange: Exchange) -> None:
        exchange.begin()
        for word in WORDS:
            exchange.piece(word)
            await go.wait()
            go.clear()
        exchange.piece(DONE)
        exchange.end()

    engines.small.then(by_turns)
    async with Client(gateway.port) as client:
        client.ask("/v1/chat/completions", chat(stream=True))
        assert (await client.head()).status == 200
        for word in WORDS:
            assert await client.piece() == word
            go.set()
        assert await client.piece() == DONE
        assert await client.piece() == b""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 61], ids=str)
async def test_however_the_engine_cuts(gateway: Running, engines: Trio, size: int) -> None:
    """Chunks that cut characters, events and the ending anywhere give the same stream, in whole characters."""
    whole = b"".join(STREAMS["chat/completions"])

    async def crumbs(exchange: Exchange) -> None:
        exchange.begin()
        for start in range(0, len(whole), size):
            exchange.piece(whole[start : start + size])
            await asyncio.sleep(0)
        exchange.end()

    engines.small.then(crumbs)
    async with Client(gateway.port) as client:
        client.ask("/v1/chat/completions", chat(stream=True))
        await client.head()
        pieces = []
        while piece := await client.piece():
            pieces.append(piece.decode("utf-8", "strict"))
    assert "".join(pieces).encode() == COMPLETE
    assert await gateway.metric("freehold_completion_tokens_total", model="s") == 3


async def framed_by_close(exchange: Exchange) -> None:
    """A body that ends where the connection does."""
    exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + COMPLETE)
    exchange.close()


async def framed_by_length(exchange: Exchange) -> None:
    """A stream of a known length."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {len(COMPLETE)}\r\n\r\n"
    exchange.send(head.encode() + COMPLETE)


async def http_1_0(exchange: Exchange) -> None:
    """An old server."""
    exchange.send(b"HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + COMPLETE)
    exchange.close()


async def with_trailers(exchange: Exchange) -> None:
    """Chunk extensions and trailers."""
    exchange.begin()
    exchange.send(b"%x;name=value\r\n%b\r\n0\r\nx-trailer: 1\r\n\r\n" % (len(COMPLETE), COMPLETE))


async def no_last_chunk(exchange: Exchange) -> None:
    """The ending, and then never the framing's."""
    exchange.begin()
    exchange.piece(COMPLETE)
    await exchange.gone.wait()


async def cut_after_ending(exchange: Exchange) -> None:
    """The ending, and then a reset."""
    exchange.begin()
    exchange.piece(COMPLETE)
    exchange.close()


async def talks_on(exchange: Exchange) -> None:
    """More after the ending."""
    exchange.stream(COMPLETE + delta("CANARY"), delta("CANARY"), DONE)


async def crlf(exchange: Exchange) -> None:
    """Line ends as in HTTP."""
    exchange.stream(*(one.replace(b"\n", b"\r\n") for one in (*WORDS, STOP, COUNTED, DONE)))


GOOD: tuple[Play, ...] = (
    framed_by_close,
    framed_by_length,
    http_1_0,
    with_trailers,
    no_last_chunk,
    cut_after_ending,
    talks_on,
    crlf,
)
named: Callable[[Play], str] = lambda play: play.__name__  # noqa: E731 - pytest wants a callable


@pytest.mark.parametrize("play", GOOD, ids=named)
async def test_a_complete_stream_is_complete(gateway: Running, engines: Trio, play: Play) -> None:
    """Once the ending was there, the client has a complete answer, whatever the connection does then."""
    engines.small.then(play)
    response = await gateway.chat(stream=True)
    assert (response.status, response.whole) == (200, True)
    assert response.body.replace(b"\r\n", b"\n") == COMPLETE
    assert response.header("x-freehold-model") == "s"
    assert (await gateway.told())[0]["outcome"] == "complete"
    assert (await gateway.chat(model="s")).status == 200


# -- an engine that fails after its first byte -------------------------------------------------------------------------


def begun(exchange: Exchange) -> None:
    """The first events of a stream of this endpoint."""
    exchange.begin()
    for piece in STREAMS[exchange.path.removeprefix("/v1/")][:-2]:
        exchange.piece(piece)


async def then_closes(exchange: Exchange) -> None:
    """FIN."""
    begun(exchange)
    exchange.close()


async def then_resets(exchange: Exchange) -> None:
    """RST, once the first bytes are through."""
    begun(exchange)
    for _ in range(100):
        await asyncio.sleep(0)
    exchange.reset()


async def then_ends(exchange: Exchange) -> None:
    """A perfect end of the framing, without the stream's own."""
    begun(exchange)
    exchange.end()


async def then_half_an_event(exchange: Exchange) -> None:
    """Half of an event, and the framing's end."""
    begun(exchange)
    exchange.piece(b'data: {"choices":[{"delta":{"content":"CANARY')
    exchange.end()


async def then_half_an_ending(exchange: Exchange) -> None:
    """All of the last event but its last byte."""
    begun(exchange)
    exchange.piece(STREAMS[exchange.path.removeprefix("/v1/")][-1][:-1])
    exchange.end()


async def then_half_a_chunk(exchange: Exchange) -> None:
    """Less of a chunk than it promises."""
    begun(exchange)
    exchange.send(b"ffff\r\n")
    exchange.close()


async def then_bad_framing(exchange: Exchange) -> None:
    """No chunk at all."""
    begun(exchange)
    exchange.send(b"zz\r\nCANARY\r\n")


async def then_an_error(exchange: Exchange) -> None:
    """An error, and then the ending of a good answer."""
    begun(exchange)
    error = {"type": "error", "error": {"message": "CANARY at 0x7f00", "type": "InternalServerError", "code": 500}}
    exchange.piece(event(error, "error"))
    exchange.piece(STREAMS[exchange.path.removeprefix("/v1/")][-1])
    exchange.end()


async def then_silence(exchange: Exchange) -> None:
    """Nothing more."""
    begun(exchange)
    await exchange.gone.wait()


async def then_an_abort(exchange: Exchange) -> None:
    """What vLLM sends when it gave up."""
    begun(exchange)
    exchange.piece(event({"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]}))
    exchange.piece(STREAMS[exchange.path.removeprefix("/v1/")][-1])
    exchange.end()


BAD: tuple[Play, ...] = (
    then_closes,
    then_resets,
    then_ends,
    then_half_an_event,
    then_half_an_ending,
    then_half_a_chunk,
    then_bad_framing,
    then_an_error,
    then_silence,
    then_an_abort,
)


def last_event(body: bytes) -> tuple[str, dict[str, Any]]:
    """Name and data of the last event."""
    lines = body.decode().removesuffix("\n\n").rpartition("\n\n")[2].split("\n")
    assert len(lines) == 2
    return lines[0], json.loads(lines[1].removeprefix("data: "))


@pytest.mark.parametrize("play", BAD, ids=named)
@pytest.mark.parametrize("path", STREAMS, ids=str)
async def test_a_stream_that_breaks_ends_in_an_error(engines: Trio, play: Play, path: str) -> None:
    """After the first byte nobody else is asked; an error event in the API's own shape is the end, and no other."""
    engines.small.then(play)
    async with Running(engines.fleet(deadlines={"between_tokens": 0.05})) as gateway:
        response = await gateway.post(f"/v1/{path}", {**BODIES[path], "model": "auto", "stream": True})
        assert (response.status, response.whole) == (200, True)
        assert response.body.startswith(STREAMS[path][0])
        assert STREAMS[path][-1] not in response.body
        assert b"CANARY" not in response.body
        name, data = last_event(response.body)
        assert name == "event: error"
        match path:
            case "messages":
                assert (data["type"], data["error"]["type"]) == ("error", "api_error")
            case "responses":
                assert (data["type"], bool(data["message"])) == ("error", True)
            case _:
                assert set(data["error"]) == {"message", "type", "param", "code"}
        assert (len(engines.small.seen), len(engines.large.seen)) == (1, 0)
        line = (await gateway.told())[0]
        assert (line["outcome"], line["status"], bool(line["error"])) == ("cut", 200, True)
        await gateway.settled()
        assert await gateway.metric("freehold_upstream_errors_total", model="s") == 1


async def test_the_whole_takes_too_long(engines: Trio) -> None:
    """``total`` ends a stream that still moves, with an error event that names the deadline."""
    engines.small.then(endless)
    async with Running(engines.fleet(deadlines={"total": 0.1})) as gateway:
        response = await gateway.chat(stream=True)
        assert response.whole
        assert last_event(response.body)[1]["error"]["code"] == "deadline_total"
        await engines.small.seen[0].left()
        await gateway.settled()


async def endless(exchange: Exchange) -> None:
    """A word whenever the loop has nothing else to do."""
    exchange.begin()
    while not exchange.gone.is_set():
        exchange.piece(delta("word"))
        await asyncio.sleep(0.005)


# -- a client that reads slowly ----------------------------------------------------------------------------------------


async def test_a_slow_reader_loses_nothing(engines: Trio) -> None:
    """While a client does not read, the deadline between tokens, which is the engine's, does not run."""
    text = delta("x" * 4000)
    count = 2000

    async def flood(exchange: Exchange) -> None:
        exchange.stream(*[text] * count, DONE)

    engines.small.then(flood)
    engines.large.then(then_silence)
    async with Running(engines.fleet(deadlines={"between_tokens": 0.1})) as gateway, Client(gateway.port) as client:
        client.ask("/v1/chat/completions", chat(model="s", stream=True))
        response = await client.head()
        clock = await gateway.chat(model="l", stream=True)  # over once the deadline has passed twice
        clock = await gateway.chat(model="l", stream=True)
        assert clock.status == 200
        response = await client.rest(response)
        assert response.whole
        assert response.body == text * count + DONE


async def test_an_engine_is_held_back_for_a_slow_reader(gateway: Running, engines: Trio) -> None:
    """What a client does not read, the gateway does not buffer without end: the engine is made to wait."""
    sent = 0
    block = delta("x" * 65_000)

    async def flood(exchange: Exchange) -> None:
        nonlocal sent
        exchange.begin()
        while sent < 64 << 20 and not exchange.gone.is_set():
            if exchange.wire.transport.get_write_buffer_size() > 1 << 20:
                return
            exchange.piece(block)
            sent += len(block)
            await asyncio.sleep(0)

    engines.small.then(flood)
    async with Client(gateway.port) as client:
        client.ask("/v1/chat/completions", chat(stream=True))
        await client.head()
        exchange = await engines.small.arrival()

        async def stuck() -> bool:
            return exchange.wire.transport.get_write_buffer_size() > 1 << 20 or sent >= 64 << 20

        await until(stuck)
        assert sent < 32 << 20
        client.leave()
        await exchange.left()


async def test_a_client_that_never_reads_is_cut(engines: Trio) -> None:
    """A client that takes nothing of its answer loses its connection, and its engine is free again."""

    async def flood(exchange: Exchange) -> None:
        exchange.begin()
        while not exchange.gone.is_set():
            if exchange.wire.transport.get_write_buffer_size() < 1 << 20:
                exchange.piece(delta("x" * 65_000))
            await asyncio.sleep(0)

    engines.small.then(flood)
    async with Running(engines.fleet(deadlines={"client": 0.1})) as gateway, Client(gateway.port) as client:
        client.ask("/v1/chat/completions", chat(stream=True))
        await client.head()
        client.stop_reading()
        await (await engines.small.arrival()).left()
        await gateway.alone()
        assert (await gateway.told())[0]["outcome"] == "gone"


async def test_two_streams_at_once_do_not_mix(gateway: Running, engines: Trio) -> None:
    """Streams that run side by side keep to themselves."""

    async def echoes(exchange: Exchange) -> None:
        word = exchange.request["messages"][0]["content"]
        exchange.begin()
        for _ in range(20):
            exchange.piece(delta(word))
            await asyncio.sleep(0)
        exchange.piece(DONE)
        exchange.end()

    engines.small.then(*[echoes] * 40)
    texts = [f"word {number}" for number in range(40)]
    answers = await asyncio.gather(
        *(gateway.chat(messages=[{"role": "user", "content": text}], stream=True, model="s") for text in texts)
    )
    for text, response in zip(texts, answers, strict=True):
        assert response.body == delta(text) * 20 + DONE


async def test_an_engine_that_ignores_stream(gateway: Running, engines: Trio) -> None:
    """An engine that answers whole where a stream was asked for has not answered."""

    async def whole(exchange: Exchange) -> None:
        exchange.answer({"choices": []})

    engines.small.then(whole, whole)
    response = await gateway.chat(model="s", stream=True)
    assert (response.status, response.error["code"]) == (502, "upstream_cut")


async def test_a_silent_engine_does_not_delay_others(gateway: Running, engines: Trio) -> None:
    """A hundred requests that wait do not keep one from being answered."""
    engines.small.then(*[silent] * 100)
    async with asyncio.TaskGroup() as tasks:
        clients = [Client(gateway.port) for _ in range(100)]
        for client in clients:
            tasks.create_task(client.__aenter__())
    for client in clients:
        client.ask("/v1/chat/completions", chat(model="s"))
    for _ in clients:
        await engines.small.arrival()
    assert await gateway.metric("freehold_in_flight", model="s") == 100
    assert (await gateway.chat(model="s")).status == 200
    for client in clients:
        client.leave()
    for exchange in engines.small.seen[:100]:
        await exchange.left()
    assert await gateway.metric("freehold_in_flight", model="s") == 0
