"""Every endpoint through the real server: who answers, what the client sees, what is tried when an engine fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import router.backends.breaker
from tests.router.client import Client
from tests.router.engine import (
    ANSWERS,
    COUNTED,
    DONE,
    STOP,
    STREAMS,
    WORDS,
    Exchange,
    Play,
    event,
    silent,
    soon,
    until,
    usual,
)
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio

BODIES: dict[str, dict[str, Any]] = {
    "chat/completions": {"model": "s", "messages": [{"role": "user", "content": "Hello?"}]},
    "completions": {"model": "s", "prompt": "Once"},
    "responses": {"model": "s", "input": "Hello?"},
    "messages": {"model": "s", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello?"}]},
    "embeddings": {"model": "e", "input": ["one", "two"]},
}


@pytest.mark.parametrize("path", BODIES, ids=str)
async def test_answers_whole(gateway: Running, path: str) -> None:
    """An engine's whole answer reaches the client unchanged, with the gateway's headers."""
    response = await gateway.post(f"/v1/{path}", BODIES[path])
    assert (response.status, response.json) == (200, ANSWERS[path])
    assert response.header("content-type") == "application/json"
    assert response.header("x-freehold-model") == BODIES[path]["model"]
    assert response.header("x-freehold-tier") == ("embedding" if path == "embeddings" else "small")
    assert response.header("x-freehold-reason") == "named"
    assert response.header("x-request-id").startswith("req_")


@pytest.mark.parametrize("path", STREAMS, ids=str)
async def test_answers_streamed(gateway: Running, path: str) -> None:
    """A stream reaches the client as it is, but for the usage that it did not ask for."""
    response = await gateway.post(f"/v1/{path}", {**BODIES[path], "stream": True})
    assert response.status == 200
    assert response.whole
    assert response.body == b"".join(one for one in STREAMS[path] if one != COUNTED)
    assert response.header("content-type").startswith("text/event-stream")
    assert response.header("cache-control") == "no-cache"
    assert response.header("x-freehold-model") == "s"


@pytest.mark.parametrize("options", [None, {"include_usage": False}, {"include_usage": True}], ids=str)
async def test_usage_is_always_asked_for(gateway: Running, engines: Trio, options: dict[str, bool] | None) -> None:
    """The engine is always asked for the usage of a stream; the client gets it if it asked."""
    asked = bool(options and options["include_usage"])
    response = await gateway.chat(stream=True, stream_options=options)
    assert engines.small.seen[0].request["stream_options"] == {"include_usage": True}
    assert (COUNTED in response.body) is asked
    line = (await gateway.told())[0]
    assert (line["prompt_tokens"], line["completion_tokens"]) == (7, 3)


async def test_what_an_engine_receives(gateway: Running, engines: Trio) -> None:
    """The engine gets the body with its own name for the model, our request id, and none of the client's headers."""
    response = await gateway.post(
        "/v1/chat/completions",
        {**chat(), "temperature": 0, "user": "me"},
        x_request_id="forged",
        authorization="Bearer secret",
        cookie="a=b",
        x_forwarded_for="1.2.3.4",
        accept_encoding="gzip",
    )
    seen = engines.small.seen[0]
    assert seen.request == {**chat(), "model": "org/s", "temperature": 0, "user": "me"}
    assert sorted(name for name, _ in seen.headers) == [
        "accept",
        "content-length",
        "content-type",
        "host",
        "x-request-id",
    ]
    assert seen.header("x-request-id") == [response.header("x-request-id")]
    assert response.header("x-request-id") != "forged"
    assert seen.header("host") == [f"127.0.0.1:{engines.small.port}"]


async def test_request_ids_differ(gateway: Running) -> None:
    """Every request has an id of its own, the same in the response and in the log."""
    ids = [(await gateway.chat()).header("x-request-id") for _ in range(5)]
    assert len(set(ids)) == 5
    assert [line["request_id"] for line in await gateway.told(5)] == ids


MODELS: dict[str, tuple[str, str, str, str]] = {
    "by-id": ("l", "l", "large", "named"),
    "by-tier": ("large", "l", "large", "tier"),
    "auto": ("auto", "s", "small", "short-prompt"),
}


@pytest.mark.parametrize(("asked", "model", "tier", "reason"), MODELS.values(), ids=MODELS)
async def test_who_answers(gateway: Running, asked: str, model: str, tier: str, reason: str) -> None:
    """The headers say who answered and why."""
    response = await gateway.chat(model=asked)
    found = [response.header(f"x-freehold-{name}") for name in ("model", "tier", "reason")]
    assert found == [model, tier, reason]


async def test_a_long_prompt_goes_to_the_large_tier(gateway: Running) -> None:
    """What is estimated at over ``small_up_to_tokens`` goes to the large tier."""
    response = await gateway.chat(messages=[{"role": "user", "content": "word " * 1000}])
    assert (response.header("x-freehold-model"), response.header("x-freehold-reason")) == ("l", "long-prompt")


async def test_an_engine_may_have_a_prefix(engines: Trio) -> None:
    """``{model}`` in the engines' address is the model's name, and its path comes before ``/v1``."""
    fleet = engines.fleet().model_copy(deep=True)
    local = fleet.models["s"].model_validate({"engine": "vllm", "source": "builtin:tiny-small"})
    fleet = fleet.model_copy(update={"models": {**fleet.models, "s": local}})
    async with Running(fleet, engines.small.url + "/base/{model}/") as gateway:
        assert (await gateway.chat()).status == 200
    assert engines.small.seen[0].path == "/base/s/v1/chat/completions"
    assert engines.small.seen[0].request["model"] == "s"


# -- an engine that fails before its first byte ------------------------------------------------------------------------


async def broken_status(exchange: Exchange) -> None:
    """An internal error."""
    exchange.answer({"error": {"message": "CANARY"}}, 500)


async def unavailable(exchange: Exchange) -> None:
    """Overloaded."""
    exchange.answer({}, 503, retry_after="86400")


async def closes(exchange: Exchange) -> None:
    """FIN instead of an answer."""
    exchange.close()


async def resets(exchange: Exchange) -> None:
    """RST instead of an answer."""
    exchange.reset()


async def half_a_head(exchange: Exchange) -> None:
    """A head that breaks off."""
    exchange.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    exchange.close()


async def head_only(exchange: Exchange) -> None:
    """A head, and no body."""
    exchange.begin()
    exchange.close()


async def garbage(exchange: Exchange) -> None:
    """Not HTTP."""
    exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


async def short_body(exchange: Exchange) -> None:
    """Less than was announced."""
    exchange.send(b'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{"id":')
    exchange.close()


async def cut_json(exchange: Exchange) -> None:
    """Half of an answer, in perfect framing."""
    exchange.answer(b'{"id":"c","choices":[{"index":0,"mess')


async def aborted(exchange: Exchange) -> None:
    """What vLLM answers when it gave up on a request."""
    answer = {**ANSWERS["chat/completions"], "choices": [{"index": 0, "finish_reason": "abort", "message": {}}]}
    if exchange.request.get("stream"):
        exchange.stream(event({"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]}), COUNTED, DONE)
    else:
        exchange.answer(answer)


async def error_in_200(exchange: Exchange) -> None:
    """An error where the answer should be."""
    if exchange.request.get("stream"):
        exchange.stream(event({"error": {"message": "CANARY", "code": 500}}), DONE)
    else:
        exchange.answer({"error": {"message": "CANARY", "code": 500}})


async def empty_200(exchange: Exchange) -> None:
    """Nothing, in perfect framing."""
    exchange.answer(b"")


async def not_found(exchange: Exchange) -> None:
    """An engine that does not have the model."""
    exchange.answer({"detail": "Not Found"}, 404)


async def redirects(exchange: Exchange) -> None:
    """Somewhere else."""
    exchange.answer({}, 302, location="http://169.254.169.254/")


async def asks_to_wait(exchange: Exchange) -> None:
    """Busy."""
    exchange.answer({}, 429, retry_after="7")


FAILURES: tuple[Play, ...] = (
    broken_status,
    unavailable,
    closes,
    resets,
    half_a_head,
    head_only,
    garbage,
    short_body,
    cut_json,
    aborted,
    error_in_200,
    empty_200,
    not_found,
    redirects,
    asks_to_wait,
)
named: Callable[[Play], str] = lambda play: play.__name__  # noqa: E731 - pytest wants a callable


@pytest.mark.parametrize("play", FAILURES, ids=named)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_alternative_answers(gateway: Running, engines: Trio, play: Play, stream: bool) -> None:
    """Whatever goes wrong before the first byte, the client gets a good answer from someone else."""
    engines.small.then(play, play)
    response = await gateway.chat(stream=stream)
    assert response.status == 200
    assert response.header("x-freehold-model") == "l"
    assert response.header("x-freehold-tier") == "large"
    assert response.header("x-freehold-reason") == "down"
    if stream:
        assert response.body == b"".join((*WORDS, STOP, DONE))
    else:
        assert response.json == ANSWERS["chat/completions"]
    assert (await gateway.told())[0]["outcome"] == "complete"


@pytest.mark.parametrize("play", [broken_status, closes, resets, cut_json, error_in_200], ids=named)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_the_next_replica_answers(gateway: Running, engines: Trio, play: Play, stream: bool) -> None:
    """A model behind which there may be another replica is asked a second time before anyone else."""
    engines.small.then(play)
    response = await gateway.chat(stream=stream)
    assert response.status == 200
    assert response.header("x-freehold-model") == "s"
    assert response.header("x-freehold-reason") == "short-prompt"
    assert (len(engines.small.seen), len(engines.large.seen)) == (2, 0)


NOBODY: dict[str, tuple[Play, int, str]] = {
    "500": (broken_status, 503, "upstream_status_500"),
    "503": (unavailable, 503, "upstream_status_503"),
    "404": (not_found, 503, "upstream_status_404"),
    "redirect": (redirects, 503, "upstream_status_302"),
    "429": (asks_to_wait, 429, "upstream_busy"),
    "closed": (closes, 502, "upstream_cut"),
    "reset": (resets, 502, "upstream_cut"),
    "garbage": (garbage, 502, "upstream_cut"),
    "short": (short_body, 502, "upstream_cut"),
    "cut-json": (cut_json, 502, "upstream_cut"),
    "abort": (aborted, 502, "upstream_cut"),
    "error": (error_in_200, 502, "upstream_cut"),
}


@pytest.mark.parametrize("case", NOBODY.values(), ids=NOBODY)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_nobody_answers(gateway: Running, engines: Trio, case: tuple[Play, int, str], stream: bool) -> None:
    """When nobody is left, the client gets one error in OpenAI's shape, within few attempts, without engine's words."""
    play, status, code = case
    engines.small.then(*[play] * 9)
    response = await gateway.chat(model="s", stream=stream)
    assert (response.status, response.error["code"]) == (status, code)
    assert response.header("content-type") == "application/json"
    assert 1 <= int(response.header("retry-after") or 1) <= 60
    assert b"CANARY" not in response.body
    assert len(engines.small.seen) <= 2
    line = (await gateway.told())[0]
    assert (line["outcome"], line["status"], line["attempts"]) == ("failed", status, len(engines.small.seen))
    await gateway.settled()


async def test_nobody_listens(engines: Trio) -> None:
    """A port where nobody listens is a failed connection, and not a mistake of ours."""
    fleet = engines.fleet()
    engines.small.stop()
    async with Running(fleet) as gateway:
        response = await gateway.chat(model="s")
        assert (response.status, response.error["code"]) == (503, "upstream_connect")
        assert (await gateway.chat()).header("x-freehold-model") == "l"


@pytest.mark.parametrize(
    ("name", "stream", "code"),
    [
        pytest.param("first_token", True, "deadline_first_token", id="first-token"),
        pytest.param("total", True, "deadline_total", id="total-of-a-stream"),
        pytest.param("total", False, "deadline_total", id="total"),
    ],
)
async def test_an_engine_that_never_answers(engines: Trio, name: str, stream: bool, code: str) -> None:
    """A deadline ends in a 504 that names it, and the engine's connections are closed."""
    engines.small.then(*[silent] * 9)
    async with Running(engines.fleet(deadlines={name: 0.05})) as gateway:
        response = await gateway.chat(model="s", stream=stream)
        assert (response.status, response.error["code"]) == (504, code)
        for exchange in engines.small.seen:
            await exchange.left()
        await gateway.settled()


async def test_a_slow_engine_loses_its_request(engines: Trio) -> None:
    """When the first token is overdue, someone else is asked at once, and the first one's connection is closed."""
    engines.small.then(silent)
    async with Running(engines.fleet(deadlines={"first_token": 0.05})) as gateway:
        response = await gateway.chat(stream=True)
        assert (response.status, response.header("x-freehold-model")) == (200, "l")
        assert len(engines.small.seen) == 1
        await engines.small.seen[0].left()


async def test_a_whole_answer_may_take_longer_than_a_first_token(engines: Trio) -> None:
    """``first_token`` is no deadline for an answer that comes in one piece."""
    async with Running(engines.fleet(deadlines={"first_token": 0.05})) as gateway:
        go = asyncio.Event()

        async def slow(exchange: Exchange) -> None:
            await go.wait()
            await usual(exchange)

        engines.small.then(slow)
        engines.large.then(silent, silent)
        clock = gateway.chat(model="l", stream=True)  # its deadline is over when it ends
        waiting = asyncio.create_task(gateway.chat(model="s"))
        assert (await clock).status == 504
        go.set()
        assert (await soon(waiting)).status == 200


# -- what an engine refuses for the caller's sake ----------------------------------------------------------------------


Refused = tuple[int, object, str, str | None]
REFUSED: dict[str, Refused] = {
    "openai": (400, {"error": {"message": "no such schema", "param": "tools"}}, "no such schema", "tools"),
    "plain": (422, {"message": "no such schema"}, "no such schema", None),
    "fastapi": (422, {"detail": [{"loc": ["body"]}]}, "The engine refused the request.", None),
    "not-json": (400, b"<html>", "The engine refused the request.", None),
    "empty": (413, b"", "The engine refused the request.", None),
    "list": (400, [1], "The engine refused the request.", None),
    "nothing": (400, {"error": None}, "The engine refused the request.", None),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_engine_refuses(gateway: Running, engines: Trio, case: Refused, stream: bool) -> None:
    """A 4xx of an engine's is the caller's to mend: it is passed on in OpenAI's shape, and nobody else is asked."""
    status, body, message, param = case

    async def refuses(exchange: Exchange) -> None:
        exchange.answer(body, status)

    engines.small.then(refuses)
    response = await gateway.chat(stream=stream)
    assert response.status == status
    assert (response.error["message"], response.error["param"]) == (message, param)
    assert (len(engines.small.seen), len(engines.large.seen)) == (1, 0)
    assert (await gateway.told())[0]["outcome"] == "refused"


async def test_an_engine_refuses_in_anthropics_words(gateway: Running, engines: Trio) -> None:
    """On ``/v1/messages`` an engine's refusal has Anthropic's shape."""

    async def refuses(exchange: Exchange) -> None:
        exchange.answer({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, 400)

    engines.small.then(refuses)
    response = await gateway.post("/v1/messages", BODIES["messages"])
    assert response.json == {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}


# -- the queue ---------------------------------------------------------------------------------------------------------


async def test_a_full_queue_refuses(engines: Trio) -> None:
    """Beyond slots and queue comes 429 with ``Retry-After``; those that wait are answered, in order."""
    go = asyncio.Event()

    async def held(exchange: Exchange) -> None:
        await go.wait()
        await usual(exchange)

    engines.small.then(held)
    async with Running(engines.fleet(limits={"in_flight": 1, "queue": 2})) as gateway:
        async with Client(gateway.port) as one, Client(gateway.port) as two, Client(gateway.port) as three:
            one.ask("/v1/chat/completions", chat(model="s"))
            await engines.small.arrival()
            for position, client in enumerate((two, three), 1):
                client.ask("/v1/chat/completions", chat(model="s", seed=position))
                await gateway.queued(position)
            response = await gateway.chat(model="s")
            assert (response.status, response.error["code"]) == (429, "queue_full")
            assert int(response.header("retry-after")) >= 1
            assert len(engines.small.seen) == 1
            go.set()
            assert [(await client.response()).status for client in (one, two, three)] == [200, 200, 200]
            assert [seen.request.get("seed") for seen in engines.small.seen] == [None, 1, 2]
        await gateway.settled()
        assert await gateway.metric("freehold_queue_length") == 0


async def test_waiting_in_the_queue_ends(engines: Trio) -> None:
    """Who waits longer than ``queue_seconds`` gets 429."""
    engines.small.then(silent)
    limits = {"in_flight": 1, "queue_seconds": 0.05}
    async with Running(engines.fleet(limits=limits)) as gateway, Client(gateway.port) as first:
        first.ask("/v1/chat/completions", chat(model="s"))
        await engines.small.arrival()
        response = await gateway.chat(model="s")
        assert (response.status, response.error["code"]) == (429, "queue_full")
        assert await gateway.metric("freehold_queue_length") == 0


async def test_a_full_target_is_passed_over(engines: Trio) -> None:
    """With an alternative that has a slot free, nobody waits."""
    engines.small.then(silent)
    async with Running(engines.fleet(limits={"in_flight": 1})) as gateway, Client(gateway.port) as first:
        first.ask("/v1/chat/completions", chat())
        await engines.small.arrival()
        response = await gateway.chat()
        assert (response.status, response.header("x-freehold-model")) == (200, "l")
        assert response.header("x-freehold-reason") == "busy"


# -- the breaker -------------------------------------------------------------------------------------------------------


async def test_a_dead_tier_is_left_alone(gateway: Running, engines: Trio) -> None:
    """After failures in a row ``auto`` goes elsewhere without asking the dead engine again, and says why."""
    engines.small.then(*[broken_status] * 20)
    for _ in range(4):
        assert (await gateway.chat()).status == 200
    asked = len(engines.small.seen)
    response = await gateway.chat()
    assert (response.header("x-freehold-model"), response.header("x-freehold-reason")) == ("l", "down")
    assert len(engines.small.seen) == asked
    assert await gateway.metric("freehold_target_up", model="s") == 0
    assert await gateway.metric("freehold_target_up", model="l") == 1


async def test_a_dead_model_is_still_tried_when_named(gateway: Running, engines: Trio) -> None:
    """A model that is down but named is tried: a wrong guess must not refuse what would have worked."""
    engines.small.then(*[broken_status] * 4)
    for _ in range(2):
        assert (await gateway.chat(model="s")).status == 503
    assert (await gateway.chat(model="s")).status == 200
    assert await gateway.metric("freehold_target_up", model="s") == 1


async def test_a_busy_engine_is_not_a_dead_one(gateway: Running, engines: Trio) -> None:
    """429 from an engine means later, and does not count it as down."""
    engines.small.then(*[asks_to_wait] * 5)
    for _ in range(5):
        assert (await gateway.chat(model="s")).status == 429
    assert await gateway.metric("freehold_target_up", model="s") == 1


# -- kept connections --------------------------------------------------------------------------------------------------


async def test_connections_are_used_again(gateway: Running, engines: Trio) -> None:
    """One after the other, whole or streamed, requests share one connection to the engine."""
    for stream in (False, True, False, True, True):
        assert (await gateway.chat(stream=stream)).status == 200
    assert engines.small.opened == 1


async def test_a_connection_that_went_stale(gateway: Running, engines: Trio) -> None:
    """A kept connection that the engine closes as it is used again costs the client nothing, and counts no failure."""
    for _ in range(3):
        assert (await gateway.chat()).status == 200
        engines.small.then(closes)
        response = await gateway.chat()
        assert (response.status, response.header("x-freehold-model")) == (200, "s")
    assert await gateway.metric("freehold_upstream_errors_total") == 0


async def test_connections_closed_while_idle(gateway: Running, engines: Trio) -> None:
    """Connections that an engine closed while they were idle are replaced unnoticed."""
    async with Client(gateway.port) as one, Client(gateway.port) as two:
        for client in (one, two):
            client.ask("/v1/chat/completions", chat(stream=True))
        for client in (one, two):
            assert (await client.response()).whole
    for wire in list(engines.small.wires):
        wire.transport.abort()
    assert (await gateway.chat()).header("x-freehold-model") == "s"
    assert await gateway.metric("freehold_upstream_errors_total") == 0


async def test_an_engine_that_restarts(gateway: Running, engines: Trio) -> None:
    """An engine that dies and comes back on its port is used again."""
    assert (await gateway.chat(model="s")).status == 200
    engines.small.stop()
    assert (await gateway.chat(model="s")).status == 503
    await engines.small.__aenter__()
    assert (await gateway.chat(model="s")).status == 200


async def test_what_an_idle_connection_says_is_no_answer(gateway: Running, engines: Trio) -> None:
    """Bytes that come unasked over a kept connection never become somebody's answer."""
    assert (await gateway.chat()).status == 200
    stale = b'{"id": "somebody else\'s"}'
    engines.small.seen[0].send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(stale), stale))
    await gateway.get("/healthz")
    assert (await gateway.chat()).json == ANSWERS["chat/completions"]


async def test_half_an_answer_on_an_idle_connection(gateway: Running, engines: Trio) -> None:
    """Half of a response that comes unasked does not swallow the next one."""
    assert (await gateway.chat()).status == 200
    engines.small.seen[0].send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    await gateway.get("/healthz")
    assert (await gateway.chat()).json == ANSWERS["chat/completions"]


async def test_two_answers_to_one_request(gateway: Running, engines: Trio) -> None:
    """An engine that answers twice does not have its second answer given to the next client."""

    async def twice(exchange: Exchange) -> None:
        exchange.answer(ANSWERS["chat/completions"])
        exchange.answer({"id": "somebody else's"})

    engines.small.then(twice)
    assert (await gateway.chat()).json == ANSWERS["chat/completions"]
    assert (await gateway.chat()).json == ANSWERS["chat/completions"]


async def test_an_engine_sends_early_hints(gateway: Running, engines: Trio) -> None:
    """An interim response (1xx) is not the answer."""

    async def hints(exchange: Exchange) -> None:
        exchange.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        await usual(exchange)

    engines.small.then(hints)
    assert (await gateway.chat(model="s")).json == ANSWERS["chat/completions"]
    assert len(engines.small.seen) == 1


# -- retries -----------------------------------------------------------------------------------------------------------


async def test_retries_do_not_multiply_an_outage(gateway: Running, engines: Trio) -> None:
    """When every engine is overloaded, retries add at most a tenth to the load (and a handful to begin with)."""
    for engine in (engines.small, engines.large):
        engine.then(*[unavailable] * 1000)
    for _ in range(100):
        assert (await gateway.chat()).status == 503
    assert len(engines.small.seen) + len(engines.large.seen) <= 100 * 1.1 + 20


async def test_one_request_finds_out(engines: Trio, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a pause is over, one request tries the engine that was down; the others do not wait for the outcome."""
    monkeypatch.setattr(router.backends.breaker, "FIRST_PAUSE_S", 0.2)
    engines.small.then(*[broken_status] * 4)
    async with Running(engines.fleet(deadlines={"first_token": 5})) as gateway:
        for _ in range(2):
            assert (await gateway.chat()).header("x-freehold-model") == "l"

        async def over() -> bool:
            return await gateway.metric("freehold_target_up", model="s") == 1

        await until(over)
        asked = len(engines.small.seen)
        engines.small.then(*[silent] * 20)
        answers = [asyncio.create_task(gateway.chat(stream=True)) for _ in range(20)]
        await asyncio.wait(answers, timeout=1)
        for answer in answers:
            answer.cancel()
        assert len(engines.small.seen) == asked + 1
