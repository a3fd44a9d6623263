"""The cascade in a whole gateway: what is held, kept, given up, cut out, counted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from tests.router.client import Client
from tests.router.doubtful import LAST, ROLE, SAID, TOKENS, begins, plain, sure, weighing, word
from tests.router.engine import COUNTED, DONE, STOP, USAGE, WORDS, Exchange, event, soon
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio
CHAT = "/v1/chat/completions"
COMPLETE = b"".join((*WORDS, STOP, DONE))
TOOLS = [{"type": "function", "function": {"name": "f"}}]
FAILED = {
    "error": event({"error": {"message": "out of memory", "code": 500}}),
    "abort": event({"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]}),
}


@pytest.fixture
async def gateway(engines: Trio) -> AsyncIterator[Running]:
    """A gateway that gives half of the answers up: the first is kept, a less sure second one is not."""
    async with Running(weighing(engines)) as running:
        yield running


async def test_a_kept_stream_is_what_it_would_be_without(gateway: Running, engines: Trio) -> None:
    """The engine is asked for log probabilities, the caller sees none of them, and everything else as it came."""
    engines.small.then(sure())
    answer = await gateway.chat(stream=True)
    assert answer.body == b"".join((ROLE, *map(plain, SAID), LAST, DONE))
    assert answer.header("x-freehold-reason") == "cascade-kept"
    assert answer.header("x-freehold-cascade").startswith("kept; held_ms=")
    asked = engines.small.seen[0].request
    assert (asked["logprobs"], asked["top_logprobs"], asked["stream"]) == (True, 0, True)


@pytest.mark.parametrize("size", [1, 7, 61, 1 << 20], ids=str)
@pytest.mark.parametrize("spaced", [False, True], ids=["vLLM", "others"])
async def test_however_the_engine_cuts(engines: Trio, size: int, spaced: bool) -> None:
    """Pieces that cut events and tokens anywhere, or all at once, in any server's spelling, come to the same."""
    stream = b"".join((ROLE, *(word(text, -0.1, spaced=spaced) for text in SAID), LAST, COUNTED, DONE))

    async def crumbs(exchange: Exchange) -> None:
        exchange.begin()
        for start in range(0, len(stream), size):
            exchange.piece(stream[start : start + size])
            await asyncio.sleep(0)
        exchange.end()

    engines.small.then(crumbs, crumbs)
    async with Running(weighing(engines, 0.0001)) as gateway:
        answer, whole = await gateway.chat(stream=True), await gateway.chat()
        [trial, _] = [line for line in gateway.lines if line["event"] == "cascade"]
    assert (trial["tokens"], trial["mean_logprob"]) == (TOKENS, pytest.approx(-0.1))
    choices = [json.loads(data)["choices"][0] for data in answer.events if data != "[DONE]"]
    assert "".join(choice["delta"].get("content", "") for choice in choices) == "".join(SAID)
    assert {choice["logprobs"] for choice in choices} == {None}
    assert whole.json["choices"][0]["message"]["content"] == "".join(SAID)


async def test_a_doubtful_stream_is_given_up_early(gateway: Running, engines: Trio) -> None:
    """The engine's connection closes while it would go on; the large model answers, and nothing else is seen."""
    engines.small.then(sure(-0.1), begins(-4.0))
    await gateway.chat(stream=True)
    answer = await gateway.chat(stream=True)
    await engines.small.seen[1].left()
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-tier")) == ("l", "large")
    assert answer.header("x-freehold-reason") == "cascade-escalated"
    assert answer.header("x-freehold-cascade").startswith("escalated; held_ms=")
    assert answer.body == COMPLETE
    assert "logprobs" not in engines.large.seen[0].request
    await gateway.settled()


async def test_a_kept_whole_answer_is_put_together(gateway: Running, engines: Trio) -> None:
    """Asked as a stream, so that it could be given up early; answered as it was asked for."""
    engines.small.then(sure())
    answer = await gateway.chat()
    assert answer.header("content-type") == "application/json"
    assert answer.json["choices"][0]["message"] == {"role": "assistant", "content": "".join(SAID)}
    assert (answer.json["object"], answer.json["usage"]) == ("chat.completion", USAGE)
    assert answer.header("x-freehold-reason") == "cascade-kept"
    assert engines.small.opened == 1
    engines.small.then(sure())
    await gateway.chat()
    assert engines.small.opened == 1


async def test_a_doubtful_whole_answer_is_given_up_early(gateway: Running, engines: Trio) -> None:
    """Before the small model is done; the large one is asked for a whole answer."""
    engines.small.then(sure(-0.1), begins(-4.0))
    await gateway.chat()
    answer = await gateway.chat()
    await engines.small.seen[1].left()
    assert answer.json["choices"][0]["message"]["content"] == "Grüße"
    assert answer.header("x-freehold-reason") == "cascade-escalated"
    assert "stream" not in engines.large.seen[0].request


async def test_a_client_that_leaves_cancels_what_is_held(gateway: Running, engines: Trio) -> None:
    """At once, with its slot given back and what was generated on record."""
    engines.small.then(begins(count=TOKENS - 1))
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat(stream=True))
        held = await engines.small.arrival()
        await soon(held.said.wait())
        client.leave()
        await held.left()
    [line] = await gateway.told()
    assert line["outcome"] == "gone"
    assert "ttft_ms" not in line
    await gateway.settled()


async def test_time_is_up(engines: Trio) -> None:
    """An engine that is slow with its next token keeps nobody waiting; it is decided on what has come."""
    engines.small.then(begins(count=2))
    async with Running(weighing(engines, hold_seconds=0.01)) as gateway, Client(gateway.port) as client:
        client.ask(CHAT, chat(stream=True))
        assert (await client.head()).header("x-freehold-reason") == "cascade-kept"
        assert await client.piece() == b"".join((ROLE, *map(plain, SAID[:2])))


async def test_an_engine_without_log_probabilities_is_not_waited_for(gateway: Running, engines: Trio) -> None:
    """After a few pieces it is clear that none will come; the reason stays what it was."""

    async def blind(exchange: Exchange) -> None:
        exchange.begin()
        for text in SAID[:4]:
            exchange.piece(plain(text))
        await exchange.gone.wait()

    engines.small.then(blind)
    async with Client(gateway.port) as client:
        client.ask(CHAT, chat(stream=True))
        head = await client.head()
        assert head.header("x-freehold-reason") == "short-prompt"
        assert head.header("x-freehold-cascade").startswith("blind; ")
        assert (await client.piece()).startswith(plain(SAID[0]))


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"tools": TOOLS}, {}),
        ({"response_format": {"type": "json_object"}}, {}),
        ({"n": 2}, {}),
        ({"stream": False, "logprobs": True}, {}),
        ({"model": "s"}, {}),
        ({"model": "small"}, {}),
        ({}, {"x_freehold_cascade": "never"}),
    ],
    ids=["tools", "JSON", "n", "whole with logprobs", "named", "tier", "never"],
)
async def test_some_requests_are_not_tried(
    gateway: Running, engines: Trio, fields: dict[str, object], headers: dict[str, str]
) -> None:
    """Where the first tokens tell nothing, or nobody asked for it, the request goes out as it came."""
    answer = await gateway.post(CHAT, {**chat(), "stream": True, **fields}, **headers)
    assert (answer.status, answer.header("x-freehold-cascade")) == (200, "")
    asked = engines.small.seen[0].request
    assert "top_logprobs" not in asked
    assert asked.get("logprobs") is fields.get("logprobs")


@pytest.mark.parametrize(("cascade", "reason"), [(True, "cascade-kept"), (False, "short-prompt")], ids=str)
async def test_a_named_route_may_do_without(engines: Trio, cascade: bool, reason: str) -> None:
    """Where it stands for ``auto``, it says so in the fleet file."""
    engines.small.then(sure())
    async with Running(weighing(engines, routes={"companion": {"cascade": cascade}})) as gateway:
        answer = await gateway.chat(model="companion", stream=True)
    assert answer.header("x-freehold-reason") == reason


async def test_a_conversation_stays_with_who_answered(gateway: Running, engines: Trio) -> None:
    """After its first turn was given up, the large model goes on; nothing is tried again."""
    turns: list[dict[str, str]] = [{"role": "user", "content": "What is it?"}]
    engines.small.then(sure(-0.1), begins(-4.0))
    await gateway.chat(stream=True)
    first = await gateway.chat(messages=turns, stream=True)
    turns += [{"role": "assistant", "content": "That."}, {"role": "user", "content": "And then?"}]
    second = await gateway.chat(messages=turns, stream=True)
    assert [one.header("x-freehold-reason") for one in (first, second)] == ["cascade-escalated", "pinned"]
    assert {one.header("x-freehold-model") for one in (first, second)} == {"l"}
    assert len(engines.small.seen) == 2


@pytest.mark.parametrize("share", [0, 0.5], ids=["off", "no word of logprobs"])
async def test_it_is_off_unless_asked_for(engines: Trio, share: float) -> None:
    """Without a share, and for a model of which nobody said that it gives log probabilities."""
    async with Running(weighing(engines, share, tells=not share)) as gateway:
        answer = await gateway.chat(stream=True)
    assert answer.header("x-freehold-reason") == "short-prompt"
    assert "logprobs" not in engines.small.seen[0].request


async def test_a_header_says_never_or_nothing(gateway: Running) -> None:
    """What is not understood is refused."""
    answer = await gateway.post(CHAT, chat(), x_freehold_cascade="maybe")
    assert (answer.status, answer.error["param"]) == (400, "x-freehold-cascade")


async def test_who_asks_for_log_probabilities_gets_them(gateway: Running, engines: Trio) -> None:
    """The caller's own wish goes to the engine as it is, and nothing is cut."""
    engines.small.then(sure())
    answer = await gateway.chat(stream=True, logprobs=True, top_logprobs=2)
    assert engines.small.seen[0].request["top_logprobs"] == 2
    assert answer.body == b"".join((ROLE, *(word(text, -0.1) for text in SAID), LAST, DONE))
    assert answer.header("x-freehold-reason") == "cascade-kept"


async def test_without_a_large_model_nothing_is_given_up(engines: Trio) -> None:
    """While none answers, an unsure answer is better than none."""
    async with Running(weighing(engines)) as gateway:
        engines.small.then(sure(-0.1), sure(-4.0))
        await gateway.chat(stream=True)
        engines.large.stop()
        for _ in range(3):
            await gateway.chat(model="l")
        answer = await gateway.chat(stream=True)
        trials = [line["verdict"] for line in gateway.lines if line["event"] == "cascade"]
    assert answer.header("x-freehold-model") == "s"
    assert trials == ["kept", "alone"]


async def test_the_small_model_answers_after_all(gateway: Running, engines: Trio) -> None:
    """Given up for a large one that then fails, it is asked again, without a trial."""

    async def breaks(exchange: Exchange) -> None:
        exchange.answer({}, 500)

    engines.small.then(sure(-0.1), begins(-4.0))
    engines.large.then(breaks, breaks)
    await gateway.chat(stream=True)
    answer = await gateway.chat(stream=True)
    assert (answer.header("x-freehold-model"), answer.header("x-freehold-reason")) == ("s", "down")
    assert answer.body == COMPLETE
    assert "logprobs" not in engines.small.seen[2].request


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_an_engine_that_refuses_log_probabilities_is_asked_without(
    gateway: Running, engines: Trio, stream: bool
) -> None:
    """What the trial asks for costs nobody an answer; what the engine refuses for the caller's sake stays refused."""
    refusal = {"error": {"message": "no logprobs here", "type": "BadRequestError", "param": None, "code": 400}}

    async def refuses(exchange: Exchange) -> None:
        exchange.answer(refusal, 400)

    engines.small.then(refuses)
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.header("x-freehold-reason")) == (200, "short-prompt")
    engines.small.then(refuses, refuses)
    assert (await gateway.chat(stream=stream)).status == 400
    assert not engines.large.seen


@pytest.mark.parametrize("way", ["reset", "error", "abort"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_failure_while_held_is_nobodys_answer(gateway: Running, engines: Trio, way: str, stream: bool) -> None:
    """The caller has seen nothing, so the next attempt answers, and no trial is told of."""

    async def fails(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(ROLE + word(SAID[0], -0.1))
        if way == "reset":
            exchange.reset()
        else:
            exchange.piece(FAILED[way] + DONE)
            exchange.end()

    engines.small.then(fails, fails)
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.whole) == (200, True)
    assert answer.header("x-freehold-model") == "l"


async def test_a_kept_whole_answer_without_its_ending_is_nobodys(gateway: Running, engines: Trio) -> None:
    """A stream that stops early is no answer; the next attempt is one."""

    async def stops(exchange: Exchange) -> None:
        exchange.stream(ROLE, *(word(text, -0.1) for text in SAID))

    engines.small.then(stops, stops)
    answer = await gateway.chat()
    assert answer.status == 200
    assert answer.json["choices"][0]["message"]["content"] == "Grüße"


async def test_it_can_be_seen_from_outside(gateway: Running, engines: Trio) -> None:
    """A log line and metrics for every trial; both attempts count."""
    engines.small.then(sure(-0.1), begins(-4.0))
    await gateway.chat(stream=True)
    await gateway.chat(stream=True)
    first, second = [line for line in gateway.lines if line["event"] == "cascade"]
    assert (first["verdict"], first["model"], first["tokens"], first["mean_logprob"]) == ("kept", "s", TOKENS, -0.1)
    assert (second["verdict"], second["doubt"]) == ("escalated", 4.0)
    assert [line["attempts"] for line in await gateway.told(2)] == [1, 2]
    for verdict in ("kept", "escalated"):
        assert await gateway.metric("freehold_cascade_trials_total", model="s", verdict=verdict) == 1
    assert await gateway.metric("freehold_cascade_held_seconds_count", model="s") == 2
    assert await gateway.metric("freehold_cascade_escalation_seconds_count", model="s") == 1
    assert await gateway.metric("freehold_requests_total", model="l", reason="cascade-escalated") == 1


async def test_the_share_holds(engines: Trio) -> None:
    """Whatever the answers' doubt, a quarter of forty is given up."""
    doubts = [-((at * 7) % 40) / 10 - 0.1 for at in range(40)]
    async with Running(weighing(engines, 0.25)) as gateway:
        engines.small.then(*map(sure, doubts))
        reasons = [(await gateway.chat(stream=True)).header("x-freehold-reason") for _ in doubts]
    assert 8 <= reasons.count("cascade-escalated") <= 12
    assert reasons.count("cascade-escalated") + reasons.count("cascade-kept") == 40
