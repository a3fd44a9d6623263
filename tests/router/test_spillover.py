"""Hosted models stand in: when, how often, what the caller sees, and what is done about the ways in which they fail."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

import router.backends.breaker
import router.backends.retries
from tests.router.backends.translate.talk import Json, assembled, heard
from tests.router.client import Client
from tests.router.engine import Engine, Exchange, Play, silent, until
from tests.router.gateway import Running, Trio, chat
from tests.router.hosted import EVENTS, KEY, MESSAGE, OVERLOADED, SAID, breaks, refuses, says, spilling

pytestmark = pytest.mark.anyio

CHAT = "/v1/chat/completions"
TEXT = "Grüße from afar"


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Engine, Engine]]:
    """Two servers of the Messages API."""
    async with Engine() as first, Engine() as second:
        yield first, second
    assert not first.failures
    assert not second.failures


def down(trio: Trio) -> None:
    """No local model is left."""
    trio.small.stop()
    trio.large.stop()


def payloads(body: bytes) -> list[Json]:
    """The data of a stream's events but the last."""
    lines = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


async def test_local_first(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """While the fleet is well, nothing leaves it."""
    async with Running(spilling(engines, *pair)) as gateway:
        for model in ("auto", "small", "large"):
            assert (await gateway.chat(model=model)).status == 200
    assert not pair[0].seen + pair[1].seen


async def test_an_outage_is_answered_whole(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """In OpenAI's shape, with headers that say who and why; the vendor gets its own shape, our key, and no more."""
    pair[0].then(says)
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.chat(max_tokens=5, user="ann", stop="END")
        [line] = await gateway.told()
    assert (answer.status, answer.json["choices"][0]["message"]["content"]) == (200, TEXT)
    assert answer.json["usage"]["total_tokens"] == 10
    assert [answer.header(f"x-freehold-{name}") for name in ("model", "tier", "reason")] == [
        "c",
        "spillover",
        "spill-down",
    ]
    assert (line["prompt_tokens"], line["completion_tokens"], line["cached_tokens"]) == (7, 3, 2)
    [sent] = pair[0].seen
    assert (sent.path, sent.header("authorization"), sent.header("x-request-id")) == (
        "/v1/messages",
        [f"Bearer {KEY}"],
        [],
    )
    assert sent.request == {
        "model": "claude-x",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello?"}]}],
        "stop_sequences": ["END"],
    }


@pytest.mark.parametrize("asked", [True, False], ids=["usage", "no usage"])
async def test_an_outage_is_answered_in_a_stream(engines: Trio, pair: tuple[Engine, Engine], asked: bool) -> None:
    """Chunks, OpenAI's ending, and the usage where it was asked for."""
    pair[0].then(says)
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.chat(stream=True, stream_options={"include_usage": asked})
        [line] = await gateway.told()
    assert answer.body.endswith(b"data: [DONE]\n\n")
    said = assembled(payloads(answer.body))
    assert (said["content"], said["finish_reason"], bool(said["usage"])) == (TEXT, "stop", asked)
    assert (line["prompt_tokens"], line["completion_tokens"], line["outcome"]) == (7, 3, "complete")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_anthropics_own_clients_are_served_too(engines: Trio, pair: tuple[Engine, Engine], stream: bool) -> None:
    """A Messages request goes on as it came, but for what would leave without need or cost more."""
    pair[0].then(says)
    down(engines)
    body = {
        "model": "auto",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "Hello?"}],
        "metadata": {"user_id": "ann"},
        "service_tier": "auto",
        "stream": stream,
    }
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.post("/v1/messages", body)
    assert answer.header("x-freehold-model") == "c"
    assert (heard(payloads(answer.body)) if stream else answer.json) == MESSAGE
    assert pair[0].seen[0].request == {
        "model": "claude-x",
        "max_tokens": 5,
        "messages": body["messages"],
        "stream": stream,
    }


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_completion_spills(engines: Trio, pair: tuple[Engine, Engine], stream: bool) -> None:
    """Its prompt goes as one turn of the user's, and the answer's text comes back as a completion."""
    pair[0].then(says)
    down(engines)
    body = {"model": "auto", "prompt": "Once", "max_tokens": 5, "stream": stream}
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.post("/v1/completions", body)
        [line] = await gateway.told()
    assert (answer.status, answer.header("x-freehold-reason")) == (200, "spill-down")
    found = payloads(answer.body) if stream else [answer.json]
    assert "".join(choice["text"] for one in found for choice in one["choices"]) == TEXT
    assert {one["object"] for one in found} == {"text_completion"}
    assert answer.body.endswith(b"data: [DONE]\n\n") is stream
    assert (line["outcome"], line["prompt_tokens"], line["completion_tokens"]) == ("complete", 7, 3)
    assert pair[0].seen[0].request["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Once"}]}]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_responses_request_spills(engines: Trio, pair: tuple[Engine, Engine], stream: bool) -> None:
    """With its own events, the last of which has all of it."""
    pair[0].then(says)
    down(engines)
    body = {"model": "auto", "input": "Hello?", "instructions": "Be brief.", "stream": stream}
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.post("/v1/responses", body)
        [line] = await gateway.told()
    assert (answer.status, answer.header("x-freehold-model")) == (200, "c")
    response = payloads(answer.body)[-1]["response"] if stream else answer.json
    assert response["output"][0]["content"][0]["text"] == TEXT
    assert (response["status"], response["usage"]["total_tokens"]) == ("completed", 10)
    assert (line["outcome"], line["completion_tokens"], line["cached_tokens"]) == ("complete", 3, 2)
    sent = pair[0].seen[0].request
    assert sent["system"] == [{"type": "text", "text": "Be brief."}]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"prompt": [1, 2, 3]}),
        ("/v1/completions", {"prompt": "Once", "echo": True}),
        ("/v1/responses", {"input": "Hello?", "top_logprobs": 2}),
    ],
    ids=["token numbers", "echo", "logprobs"],
)
async def test_what_cannot_be_put_stays(
    engines: Trio, pair: tuple[Engine, Engine], path: str, body: dict[str, object]
) -> None:
    """A request that the Messages API has no words for gets the local outage, and nothing of it leaves."""
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.post(path, {"model": "auto", **body})
        named = await gateway.post(path, {"model": "c", **body})
    assert (answer.status, named.status, named.error["code"]) == (503, 400, "model_not_capable")
    assert not pair[0].seen + pair[1].seen


async def test_a_responses_stream_that_is_cut_has_no_ending(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """It ends with the error event of its own API."""
    pair[0].then(breaks(SAID, "reset"))
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.post("/v1/responses", {"model": "auto", "input": "Hello?", "stream": True})
    kinds = [payload["type"] for payload in payloads(answer.body)]
    assert "response.output_text.delta" in kinds
    assert kinds[-1] == "error"
    assert "response.completed" not in kinds


async def test_what_no_local_model_can_do(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """A prompt that the engines' own tokenizer finds too long for every one of them."""
    pair[0].then(says)
    engines.small.tokens = engines.large.tokens = 9000
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.post(CHAT, chat("word " * 4000))
    assert (answer.status, answer.header("x-freehold-reason")) == (200, "spill-unable")
    assert not engines.small.seen + engines.large.seen


async def test_a_full_queue(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """Where every local slot is taken and nobody may wait, the chain answers."""
    pair[0].then(says)
    engines.small.then(silent)
    engines.large.then(silent)
    full = {"limits": {"in_flight": 1, "queue": 0}}
    fleet = spilling(engines, *pair, gateway=full)
    async with Running(fleet) as gateway, Client(gateway.port) as one, Client(gateway.port) as other:
        one.ask(CHAT, chat(model="small"))
        other.ask(CHAT, chat(model="large"))
        await engines.small.arrival()
        await engines.large.arrival()
        answer = await gateway.chat()
    assert (answer.status, answer.header("x-freehold-reason")) == (200, "spill-down")


async def test_local_again_when_it_recovers(
    engines: Trio, pair: tuple[Engine, Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to do anything: one request finds out, and the others follow."""
    monkeypatch.setattr(router.backends.breaker, "FIRST_PAUSE_S", 0.01)
    pair[0].then(*[says] * 50)
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        for _ in range(4):
            assert (await gateway.chat()).header("x-freehold-model") == "c"
        await engines.small.__aenter__()

        async def returned() -> bool:
            return (await gateway.chat()).header("x-freehold-model") == "s"

        await until(returned)
        assert (await gateway.chat()).header("x-freehold-reason") == "short-prompt"


REDIRECT = refuses(307, location="http://127.0.0.1:9/")
BEFORE: dict[str, tuple[Play, str]] = {
    "529": (refuses(529), "status_529"),
    "529-absurd-retry-after": (refuses(529, retry_after="86400"), "status_529"),
    "429-absurd-retry-after": (refuses(429, retry_after="86400"), "status_429"),
    "500-no-json": (refuses(500, b"<html>"), "status_500"),
    "401": (refuses(401), "status_401"),
    "no-credit": (refuses(400, {"error": {"message": "Your credit balance is too low"}}), "status_402"),
    "redirect": (REDIRECT, "status_307"),
    "overload-at-once": (breaks(0, "overload"), "status_529"),
    "overload-before-a-word": (breaks(2, "overload"), "status_529"),
    "reset-at-once": (breaks(0, "reset"), "cut"),
    "reset-before-a-word": (breaks(2, "reset"), "cut"),
    "ends-before-a-word": (breaks(2, "end"), "cut"),
    "nonsense": (breaks(1, "nonsense"), "cut"),
    "silence": (silent, "deadline_first_token"),
    "pings-only": (breaks(2, "pings"), "deadline_first_token"),
    "slow-drip": (breaks(2, "drip"), "deadline_first_token"),
}
QUICK = {"deadlines": {"first_token": 1.5, "total": 60}}
BRISK = {"deadlines": {"between_tokens": 0.5, "total": 60}}


@pytest.mark.parametrize(("play", "cause"), BEFORE.values(), ids=BEFORE)
async def test_a_failure_before_the_first_word(
    engines: Trio,
    pair: tuple[Engine, Engine],
    play: Play,
    cause: str,
) -> None:
    """The next of the chain answers; each was asked once, and nobody waits for an absurd Retry-After."""
    pair[0].then(play)
    pair[1].then(says)
    down(engines)
    async with Running(spilling(engines, *pair, gateway=QUICK)) as gateway:
        answer = await gateway.chat(stream=True)
        causes = [line["cause"] for line in gateway.lines if line["event"] == "target_failed" and line["model"] == "c"]
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-reason")) == ("d", "spill-down")
    assert assembled(payloads(answer.body))["content"] == TEXT
    assert (len(pair[0].seen), len(pair[1].seen)) == (1, 1)
    assert causes == [cause]


AFTER = {
    "overload": ("overload", "status_529"),
    "cut": ("end", "cut"),
    "reset": ("reset", "cut"),
    "nonsense": ("nonsense", "cut"),
    "pings": ("pings", "deadline_between_tokens"),
    "slow-drip": ("drip", "deadline_between_tokens"),
}


@pytest.mark.parametrize("path", [CHAT, "/v1/messages"], ids=["chat", "messages"])
@pytest.mark.parametrize(("how", "cause"), AFTER.values(), ids=AFTER)
async def test_a_failure_in_the_middle(
    engines: Trio, pair: tuple[Engine, Engine], path: str, how: str, cause: str
) -> None:
    """The stream ends with an error event and without its ending; nothing is tried again."""
    pair[0].then(breaks(SAID, how))
    down(engines)
    async with Running(spilling(engines, *pair, gateway=BRISK)) as gateway:
        answer = await gateway.post(path, {**chat(), "max_tokens": 5, "stream": True})
        [line] = await gateway.told()
    assert answer.whole
    assert "Grüße" in json.dumps(payloads(answer.body), ensure_ascii=False)
    assert b"event: error" in answer.body.rsplit(b"\n\n", 2)[1]
    assert b"[DONE]" not in answer.body
    assert b"message_stop" not in answer.body
    assert (line["outcome"], line["error"]) == ("cut", cause)
    assert not pair[1].seen


@pytest.mark.parametrize(
    ("play", "status", "code"),
    [
        (refuses(429, retry_after="86400"), 429, "upstream_busy"),
        (refuses(529, retry_after="86400"), 503, "upstream_status_529"),
        (refuses(200, b"no json"), 502, "upstream_cut"),
        (refuses(200, OVERLOADED), 503, "upstream_status_529"),
        (refuses(200, []), 502, "upstream_cut"),
    ],
    ids=["429", "529", "no-json", "overload-in-200", "no-object"],
)
async def test_nobody_answers(engines: Trio, play: Play, status: int, code: str) -> None:
    """One clear error in the caller's dialect, with a wait that one can sit out."""
    down(engines)
    async with Engine() as only:
        only.then(play)
        async with Running(spilling(engines, only)) as gateway:
            answer = await gateway.chat()
    assert (answer.status, answer.json["error"]["code"], len(only.seen)) == (status, code, 1)
    assert int(answer.header("retry-after")) <= 60


async def test_who_asked_to_be_left_alone_is(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """After a 429 the next request goes to the next of the chain at once."""
    pair[0].then(refuses(429, retry_after="86400"))
    pair[1].then(says, says)
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        assert [(await gateway.chat()).header("x-freehold-model") for _ in range(2)] == ["d", "d"]
    assert len(pair[0].seen) == 1


async def test_an_outage_of_everything_is_not_multiplied(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """Engines and vendors that refuse all get a tenth more than was asked, beside the reserve; each once a request."""
    requests = 200
    for engine in (engines.small, engines.large, *pair):
        engine.then(*[refuses(529, retry_after="86400")] * 2 * requests)
    async with Running(spilling(engines, *pair)) as gateway:
        statuses = {(await gateway.chat()).status for _ in range(requests)}
    assert statuses == {503}
    tries = [len(engine.seen) for engine in (engines.small, engines.large, *pair)]
    assert sum(tries) <= 1.1 * requests + router.backends.retries.RESERVE


async def test_the_vendors_refusal_reaches_the_caller(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """What is wrong with a request is wrong everywhere; nobody else is asked."""
    pair[0].then(refuses(400, {"type": "error", "error": {"type": "invalid_request_error", "message": "too odd"}}))
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.chat()
    assert (answer.status, answer.json["error"]["message"]) == (400, "too odd")
    assert not pair[1].seen


NESTED = 400 * '{"a":' + "1" + 400 * "}"
DEEP = [{"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": NESTED}}]}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, None),
        ({"logprobs": True}, None),
        ({"stop": ["\n"]}, "stop"),
        ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "tools"),
        ({"messages": DEEP}, "messages"),
    ],
    ids=["n", "logprobs", "white stop", "dotted tool", "deep arguments"],
)
async def test_what_the_vendor_has_no_word_for_never_leaves(
    engines: Trio, pair: tuple[Engine, Engine], fields: dict[str, object], param: str | None
) -> None:
    """Named, it is refused with the field; otherwise it stays, and fails as it would without a chain."""
    async with Running(spilling(engines, *pair)) as gateway:
        named = await gateway.chat(model="c", **fields)
        assert (named.status, named.json["error"]["code"]) == (400, "model_not_capable")
        assert named.json["error"]["param"] == (param or "model")
        down(engines)
        assert (await gateway.chat(**fields)).status == (400 if param else 503)
    assert not pair[0].seen + pair[1].seen


async def test_a_vendors_own_tools_are_refused(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """They cost extra, and reach further than the prompt's owner knows."""
    tools = [{"type": "web_search_20250305", "name": "web_search"}]
    body = {"model": "c", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], "tools": tools}
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.post("/v1/messages", body)
    assert answer.status == 400
    assert not pair[0].seen


async def test_money(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """In open mode a day's money is all there is: reserved first, settled to the cost, refused when it is gone."""
    pair[0].then(says, says)
    down(engines)
    one = 3 * 4 + 2 * 0.3 + 3.75 + 3 * 15
    worst = 3.75 * (6 + 8) + 5 * 15
    async with Running(spilling(engines, *pair, spillover={"open_usd_per_day": (one + 1 + worst) / 1e6})) as gateway:
        statuses = [(await gateway.chat(max_tokens=5)).status for _ in range(2)]
        refused = await gateway.chat(max_tokens=5)
    assert (*statuses, refused.status) == (200, 200, 402)
    assert refused.json["error"]["code"] == "insufficient_quota"
    assert len(pair[0].seen) == 2


async def test_without_money_local_answers(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """A chain that is first by its trigger, but that nobody can pay, is passed over."""
    slow = {"ttft_seconds": 1e-9, "open_usd_per_day": 1e-6}
    async with Running(spilling(engines, *pair, spillover=slow)) as gateway:
        assert (await gateway.chat(stream=True)).header("x-freehold-reason") == "short-prompt"
        assert (await gateway.chat(stream=True, model="large")).header("x-freehold-reason") == "tier"
        answer = await gateway.chat(stream=True)
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-reason")) == ("s", "unpaid")
    assert not pair[0].seen


async def test_too_slow(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """Once every local model was seen to be slower than the fleet file puts up with, the chain is first."""
    pair[0].then(says)
    async with Running(spilling(engines, *pair, spillover={"ttft_seconds": 1e-9})) as gateway:
        await gateway.chat(stream=True, model="s")
        await gateway.chat(stream=True, model="l")
        answer = await gateway.chat(stream=True)
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-reason")) == ("c", "spill-slow")


async def test_a_client_that_leaves_ends_the_vendors_work(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """What nobody reads is not paid for any longer."""

    async def endless(exchange: Exchange) -> None:
        exchange.begin()
        for piece in EVENTS[:SAID]:
            exchange.piece(piece)
        await exchange.gone.wait()

    pair[0].then(endless)
    down(engines)
    async with Running(spilling(engines, *pair)) as gateway:
        async with Client(gateway.port) as client:
            client.ask(CHAT, chat(stream=True))
            await client.head()
            sent = await pair[0].arrival()
        await sent.left()
        [line] = await gateway.told()
        await gateway.settled()
    assert line["outcome"] == "gone"


async def test_tools_there_and_back(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """Parallel calls come as OpenAI's client expects them."""
    calls = [{"type": "tool_use", "id": f"t{at}", "name": "sum", "input": {"a": at}} for at in range(2)]
    pair[0].then(refuses(200, {**MESSAGE, "content": calls, "stop_reason": "tool_use"}))
    tool = {"type": "function", "function": {"name": "sum", "parameters": {"type": "object"}}}
    async with Running(spilling(engines, *pair)) as gateway:
        answer = await gateway.chat(model="c", tools=[tool], tool_choice="required")
    assert pair[0].seen[0].request["tool_choice"] == {"type": "any"}
    [choice] = answer.json["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert [call["function"]["arguments"] for call in choice["message"]["tool_calls"]] == ['{"a":0}', '{"a":1}']


async def test_a_long_system_prompt_is_marked_for_the_vendors_cache(engines: Trio, pair: tuple[Engine, Engine]) -> None:
    """Its next use costs a tenth."""
    pair[0].then(says)
    talk = [{"role": "system", "content": "Be brief. " * 2000}, {"role": "user", "content": "Hi"}]
    async with Running(spilling(engines, *pair)) as gateway:
        await gateway.chat(model="c", messages=talk)
    assert pair[0].seen[0].request["system"][0]["cache_control"] == {"type": "ephemeral"}
