"""The client's side of a request: bodies that are refused before any engine sees them, and clients that leave."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from typing import Any

import pytest

from tests.router.client import Client
from tests.router.engine import Exchange, Play, delta, silent, usual
from tests.router.gateway import Running, Trio, chat
from tests.router.test_gateway import BODIES

pytestmark = pytest.mark.anyio

LIMIT = 4096
BOMB = gzip.compress(b" " * (10 << 20))
CHAT = "/v1/chat/completions"


def sized(size: int) -> bytes:
    """A good chat body of exactly this many bytes."""
    empty = json.dumps(chat("")).encode()
    return json.dumps(chat("x" * (size - len(empty)))).encode()


def chunked(body: bytes, size: int) -> bytes:
    """A body in HTTP chunks."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


HEAD = f"POST {CHAT} HTTP/1.1\r\nhost: gateway\r\n".encode()


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT], ids=["below", "at"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_body_up_to_the_limit(engines: Trio, size: int, framing: str) -> None:
    """A body of up to ``body_bytes`` is answered."""
    async with Running(engines.fleet(limits={"body_bytes": LIMIT})) as gateway, Client(gateway.port) as client:
        if framing == "length":
            client.ask(CHAT, sized(size))
        else:
            client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(sized(size), 1000))
        assert (await client.response()).status == 200


async def refused_as_too_large(client: Client) -> None:
    """What a client sees whose body is too large."""
    response = await client.response()
    assert (response.status, response.error["code"]) == (413, "request_too_large")
    assert response.header("connection") == "close"
    await client.until_closed()


async def test_a_body_over_the_limit_by_its_length(engines: Trio) -> None:
    """A length over the limit is refused at once, without waiting for the body."""
    async with Running(engines.fleet(limits={"body_bytes": LIMIT})) as gateway, Client(gateway.port) as client:
        client.send(HEAD + b"content-length: %d\r\n\r\n" % (LIMIT + 1))
        await refused_as_too_large(client)


@pytest.mark.parametrize("size", [1, 100, 5000], ids=str)
async def test_a_chunked_body_over_the_limit(engines: Trio, size: int) -> None:
    """A body without a length is refused once it has passed the limit, though it never ends."""
    async with Running(engines.fleet(limits={"body_bytes": LIMIT})) as gateway, Client(gateway.port) as client:
        client.send(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunked(sized(LIMIT + 1), size)[:-5])
        await refused_as_too_large(client)
        assert not engines.small.seen


@pytest.mark.parametrize("megabytes", [12, 100], ids=str)
async def test_a_client_that_sends_on_learns_why(gateway: Running, megabytes: int) -> None:
    """A client that sends all of its huge body before it reads still finds the 413."""
    async with Client(gateway.port) as client:
        client.send(HEAD + b"content-length: %d\r\n\r\n" % (megabytes << 20))
        for _ in range(megabytes):
            client.send(b" " * (1 << 20))
        response = await client.response()
        assert (response.status, response.error["code"]) == (413, "request_too_large")


@pytest.mark.parametrize("size", [100_000, 300_000, 1_000_000], ids=str)
@pytest.mark.parametrize("step", [1 << 14, 1 << 16, 1 << 20], ids=str)
async def test_a_large_body_arrives_whole(gateway: Running, engines: Trio, size: int, step: int) -> None:
    """A body of megabytes, in pieces of whatever size, reaches the engine whole."""
    engines.large.tokens = 10
    body = json.dumps(chat("x" * size, model="l")).encode()
    async with Client(gateway.port) as client:
        client.send(HEAD + b"content-length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), step):
            client.send(body[start : start + step])
            await client.drained()
        assert (await client.response()).status == 200
    assert engines.large.seen[0].request["messages"][0]["content"] == "x" * size


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP", "identity, gzip"], ids=str)
@pytest.mark.parametrize("path", BODIES, ids=str)
async def test_encoded_bodies_are_refused(gateway: Running, path: str, encoding: str) -> None:
    """A compressed body could be a bomb; it is refused without being opened."""
    response = await gateway.post(f"/v1/{path}", BOMB, content_encoding=encoding)
    assert response.status == 415


async def test_identity_is_no_encoding(gateway: Running) -> None:
    """``identity`` says that the body is as it is."""
    assert (await gateway.post(CHAT, chat(), content_encoding="identity")).status == 200


REFUSED: dict[str, tuple[object, int, str, str | None]] = {
    "not-json": (b"hello", 400, "invalid_json", None),
    "utf-8": (b'{"model":"\xff\xfe"}', 400, "invalid_json", None),
    "nan": (b'{"model":"s","messages":[],"temperature":NaN}', 400, "invalid_json", None),
    "deep": (b'{"a":' * 100_000, 400, "nesting_too_deep", None),
    "array": (b"[]", 400, "invalid_value", None),
    "missing": ({"model": "s"}, 400, "missing_required_parameter", "messages"),
    "unknown-field": (chat(cache_salt="x"), 400, "unknown_parameter", "cache_salt"),
    "unknown-model": (chat(model="gpt-9"), 404, "model_not_found", "model"),
    "path-model": (chat(model="../../etc/passwd"), 404, "model_not_found", "model"),
    "nul-model": (chat(model="s\0"), 404, "model_not_found", "model"),
    "url-model": (chat(model="http://x/"), 404, "model_not_found", "model"),
    "n": (chat(n=10**9), 400, "invalid_value", "n"),
    "n-limit": (chat(n=9), 400, "value_above_maximum", "n"),
    "max-tokens": (chat(max_tokens=10**9), 400, "invalid_value", "max_tokens"),
    "max-tokens-context": (chat(max_tokens=10**6), 400, "context_length_exceeded", "max_tokens"),
    "incapable": (chat(model="e"), 400, "model_not_capable", "model"),
    "picture": (
        chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/y"}}]}]),
        400,
        "invalid_value",
        "messages.0.content.0.image_url.url",
    ),
    "hopelessly-long": (chat("x" * 128 * 8192), 400, "context_length_exceeded", "messages"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_refused_before_any_engine(
    gateway: Running, engines: Trio, case: tuple[object, int, str, str | None], stream: bool
) -> None:
    """What is wrong with a body is a 4xx in OpenAI's shape, and no engine hears of it."""
    body, status, code, param = case
    if stream and isinstance(body, dict):
        body = {**body, "stream": True}
    response = await gateway.post(CHAT, body)
    assert (response.status, response.error["code"], response.error["param"]) == (status, code, param)
    assert response.header("content-type") == "application/json"
    assert response.header("x-request-id")
    assert not any(engine.seen or engine.asides for engine in engines)
    line = (await gateway.told())[0]
    assert (line["outcome"], line["status"], line["error"]) == ("refused", status, code)


async def test_refused_in_anthropics_shape(gateway: Running) -> None:
    """On ``/v1/messages`` the error is Anthropic's."""
    response = await gateway.post("/v1/messages", {"model": "s"})
    assert response.status == 400
    assert response.json["type"] == "error"
    assert response.json["error"]["type"] == "invalid_request_error"


COUNTED: dict[str, tuple[int | None, int, str]] = {
    "fits": (4000, 200, ""),
    "fits-exactly": (4096 - 10, 200, ""),
    "one-too-many": (4096 - 9, 400, "context_length_exceeded"),
    "unknown": (None, 200, ""),
}


@pytest.mark.parametrize(("tokens", "status", "code"), COUNTED.values(), ids=COUNTED)
async def test_the_engine_counts_where_an_estimate_may_err(
    gateway: Running, engines: Trio, tokens: int | None, status: int, code: str
) -> None:
    """A prompt that may or may not fit is counted by the engine's tokenizer, and refused before it generates."""
    engines.small.tokens = tokens
    response = await gateway.chat(
        model="s", max_tokens=10, messages=[{"role": "user", "content": "word " * 1500}], tools=None
    )
    assert response.status == status
    counting = engines.small.asides[0]
    assert counting.path == "/tokenize"
    assert counting.request == {"model": "org/s", "messages": [{"role": "user", "content": "word " * 1500}]}
    assert len(engines.small.seen) == (status == 200)
    if code:
        assert (response.error["code"], response.error["param"]) == (code, "messages")
        assert "4087" in response.error["message"]


async def test_what_does_not_fit_the_small_tier_goes_to_the_large(gateway: Running, engines: Trio) -> None:
    """When the count says that only the large model holds the prompt, ``auto`` sends it there."""
    engines.small.tokens = engines.large.tokens = 5000
    text = "a b " * 900
    response = await gateway.chat(messages=[{"role": "user", "content": text * 2}])
    assert (response.status, response.header("x-freehold-model")) == (200, "l")


# -- clients that leave ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", ["chat/completions", "completions", "responses", "messages"], ids=str)
async def test_leaving_before_the_first_byte(
    gateway: Running, engines: Trio, path: str, stream: bool, reset: bool
) -> None:
    """A client that leaves while the engine thinks: the engine's connection is closed at once, nobody else is asked."""
    engines.small.then(silent)
    async with Client(gateway.port) as client:
        client.ask(f"/v1/{path}", {**BODIES[path], "model": "auto", "stream": stream})
        exchange = await engines.small.arrival()
        client.leave(reset=reset)
        await exchange.left()
    line = (await gateway.told())[0]
    assert (line["outcome"], line["status"]) == ("gone", 499)
    assert len(engines.small.seen) == 1
    assert not engines.large.seen
    await gateway.settled()


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
async def test_leaving_in_the_middle(gateway: Running, engines: Trio, reset: bool) -> None:
    """A client that leaves in the middle of a stream: the engine's connection is closed although it is silent."""

    async def one_word(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(delta("word"))
        await exchange.gone.wait()

    engines.small.then(one_word)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat(stream=True))
        await client.head()
        assert await client.piece() == delta("word")
        client.leave(reset=reset)
        await (await engines.small.arrival()).left()
    line = (await gateway.told())[0]
    assert (line["outcome"], line["status"]) == ("gone", 200)
    await gateway.settled()
    assert await gateway.metric("freehold_upstream_errors_total") == 0


@pytest.mark.parametrize("size", [300_000, 1_000_000], ids=str)
async def test_leaving_after_a_large_body(gateway: Running, engines: Trio, size: int) -> None:
    """The longest prompts are the dearest: leaving is noticed after a body of megabytes, too."""
    engines.large.tokens = 10
    engines.large.then(silent)
    body = json.dumps(chat("x" * size, model="l")).encode()
    async with Client(gateway.port) as client:
        client.send(HEAD + b"content-length: %d\r\n\r\n" % len(body))
        for start in range(0, len(body), 100_000):
            client.send(body[start : start + 100_000])
            await client.drained()
        exchange = await engines.large.arrival()
        client.leave()
        await exchange.left()
    assert (await gateway.told())[0]["outcome"] == "gone"


async def test_leaving_after_asking_for_more(gateway: Running, engines: Trio) -> None:
    """A client that has sent its next request already, and leaves, has left the first one."""
    engines.small.then(silent)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat())
        exchange = await engines.small.arrival()
        client.ask(CHAT, chat())
        client.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        await client.drained()
        await gateway.get("/healthz")
        client.leave()
        await exchange.left()
    assert (await gateway.told())[0]["outcome"] == "gone"
    await gateway.settled()


async def test_leaving_the_queue(engines: Trio) -> None:
    """A client that leaves while it waits for a slot frees its place, and no engine ever hears of it."""
    engines.small.then(silent)
    async with Running(engines.fleet(limits={"in_flight": 1, "queue": 1})) as gateway, Client(gateway.port) as first:
        first.ask(CHAT, chat(model="s"))
        exchange = await engines.small.arrival()
        for _ in range(3):
            async with Client(gateway.port) as second:
                second.ask(CHAT, chat(model="s"))
                await gateway.queued(1)
                second.leave()
                await gateway.queued(0)
        first.leave()
        await exchange.left()
        await gateway.settled()
        assert len(engines.small.seen) == 1
        assert [line["outcome"] for line in await gateway.told(4)] == ["gone"] * 4
        assert (await gateway.chat(model="s")).status == 200


async def test_leaving_while_tokens_are_counted(gateway: Running, engines: Trio) -> None:
    """A client that leaves while the prompt is counted ends the counting."""
    engines.small.counts = silent
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat("word " * 3000, model="s"))
        exchange = await engines.small.aside()
        client.leave()
        await exchange.left()
    assert (await gateway.told())[0]["outcome"] == "gone"
    assert not engines.small.seen


@pytest.mark.parametrize("part", ["nothing", "half-a-header", "header", "half-a-body"])
async def test_leaving_before_the_request_is_there(gateway: Running, engines: Trio, part: str) -> None:
    """A client that leaves before it has said what it wants leaves nothing behind, and is no mistake of ours."""
    whole = HEAD + b"content-length: 100\r\n\r\n" + b" " * 50
    sent = {"nothing": 0, "half-a-header": 30, "header": len(whole) - 50, "half-a-body": len(whole)}[part]
    async with Client(gateway.port) as client:
        client.send(whole[:sent])
        await gateway.get("/healthz")
        client.leave()
    await gateway.alone()
    assert not engines.small.seen
    known = ["gone"] * (part in {"header", "half-a-body"})
    assert [line["outcome"] for line in await gateway.told(len(known))] == known
    assert [line for line in gateway.lines if line["event"] != "request"] == []


async def test_a_thousand_random_departures(engines: Trio) -> None:
    """Whenever clients leave, nothing of them stays: no task, no connection, no slot, and the next is answered."""
    chance = random.Random(7)  # noqa: S311 - no secret

    async def sometimes(exchange: Exchange) -> None:
        exchange.begin()
        for _ in range(chance.randrange(6)):
            exchange.piece(delta("word"))
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            await exchange.gone.wait()
        else:
            exchange.piece(b"data: [DONE]\n\n")
            exchange.end()

    async def visit(gateway: Running) -> None:
        async with Client(gateway.port) as client:
            client.ask(CHAT, chat(model=chance.choice(("auto", "s", "l")), stream=chance.random() < 0.7))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            client.leave(reset=chance.random() < 0.5)

    for engine in (engines.small, engines.large):
        engine.then(*[sometimes] * 1000)
    async with Running(engines.fleet(limits={"in_flight": 5, "queue": 8, "queue_seconds": 0.05})) as gateway:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            await asyncio.gather(*(visit(gateway) for _ in range(50)))
        await gateway.settled()
        await gateway.alone()
        for engine in (engines.small, engines.large):
            engine.plays.clear()
            for exchange in list(engine.playing):
                await exchange.left()
            assert len(engine.wires) <= 5
        assert len(asyncio.all_tasks()) <= before
        assert not gateway.server.server_state.tasks
        assert (await gateway.chat(model="s")).status == 200
        assert (await gateway.chat(model="l")).status == 200


async def test_a_request_on_a_kept_connection_after_a_refusal(gateway: Running) -> None:
    """After a refusal whose body was read, the connection goes on."""
    async with Client(gateway.port) as client:
        for _ in range(3):
            client.ask(CHAT, chat(model="nobody"))
            assert (await client.response()).status == 404
            client.ask(CHAT, chat())
            assert (await client.response()).status == 200


async def test_expecting_a_continue(gateway: Running) -> None:
    """A client that waits for ``100 Continue`` gets it; one whose body would be too large does not."""
    body = json.dumps(chat()).encode()
    async with Client(gateway.port) as client:
        client.send(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert (await client.head()).status == 100
        client.send(body)
        assert (await client.response()).status == 200
    async with Client(gateway.port) as client:
        client.send(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % (20 << 20))
        assert (await client.response()).status == 413


SLOW: dict[str, bytes] = {
    "length": b"content-length: 100\r\n\r\n{",
    "nothing": b"content-length: 100\r\n\r\n",
    "chunked": b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n",
    "chunk-size": b"transfer-encoding: chunked\r\n\r\nff",
    "trailers": b"transfer-encoding: chunked\r\n\r\n0\r\nx: y",
}


@pytest.mark.parametrize("rest", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize("path", [*BODIES, "route"], ids=str)
async def test_a_body_that_does_not_come(engines: Trio, path: str, rest: bytes) -> None:
    """A body that is not there within ``client`` seconds is answered with 408 and the connection is closed."""
    async with Running(engines.fleet(deadlines={"client": 0.05})) as gateway, Client(gateway.port) as client:
        client.send(f"POST /v1/{path} HTTP/1.1\r\nhost: gateway\r\n".encode() + rest)
        response = await client.response()
        assert response.status == 408
        assert response.header("connection") == "close"
        assert response.json["error"]["message"]
        await client.until_closed()
        await gateway.alone()


async def test_a_body_that_trickles(engines: Trio) -> None:
    """Sending a byte now and then does not extend the time."""
    async with Running(engines.fleet(deadlines={"client": 0.2})) as gateway, Client(gateway.port) as client:
        client.send(HEAD + b"content-length: 1000000\r\n\r\n")
        answer = asyncio.create_task(client.response())
        while not answer.done():
            client.send(b" ")
            await asyncio.sleep(0.005)
        assert (await answer).status == 408


CANARY = "CANARY-3f9a"


async def broken(exchange: Exchange) -> None:
    """An engine that repeats what it was told, in an error."""
    exchange.answer({"error": {"message": CANARY}}, 500)


async def refuses(exchange: Exchange) -> None:
    """The same as the caller's fault."""
    exchange.answer({"error": {"message": CANARY, "param": CANARY}}, 400)


async def cuts(exchange: Exchange) -> None:
    """The same as half of an answer."""
    exchange.begin()
    exchange.piece(delta(CANARY))
    exchange.send(CANARY.encode())


SECRETS: dict[str, tuple[str, Any]] = {
    "good": ("chat/completions", chat(CANARY)),
    "stream": ("chat/completions", chat(CANARY, stream=True)),
    "completion": ("completions", {"model": "s", "prompt": CANARY, "suffix": None}),
    "embedding": ("embeddings", {"model": "e", "input": [CANARY]}),
    "bad-json": ("chat/completions", f'{{"model":"s","messages":["{CANARY}",]}}'.encode()),
    "bad-type": ("chat/completions", chat(messages=CANARY)),
    "bad-role": ("chat/completions", chat(messages=[{"role": CANARY, "content": "x"}])),
    "too-long": ("chat/completions", chat(CANARY * 100_000)),
    "tool": ("chat/completions", chat(tools=[{"type": "function", "function": {"name": "f", "description": CANARY}}])),
    "user": ("chat/completions", chat(user=CANARY, metadata={"a": CANARY})),
}


@pytest.mark.parametrize("play", [usual, broken, refuses, cuts], ids=lambda play: play.__name__)
@pytest.mark.parametrize(("path", "body"), SECRETS.values(), ids=SECRETS)
async def test_the_log_never_holds_a_prompt(
    gateway: Running, engines: Trio, path: str, body: object, play: Play
) -> None:
    """Whatever happens, every log line is a JSON object with the request's id, and none of what was said is in it."""
    for engine in engines:
        engine.then(play, play)
    response = await gateway.post(f"/v1/{path}", body)
    lines = [line for line in await gateway.told() if line]
    assert lines[0]["request_id"] == response.header("x-request-id")
    assert all("time" in line and "event" in line for line in gateway.lines)
    assert CANARY not in gateway.log_text
