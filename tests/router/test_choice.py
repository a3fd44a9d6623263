"""Named routes, rules, conversations and shortcuts in a whole gateway; every decision explains itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.spec import Fleet
from tests.router.client import Response
from tests.router.engine import Exchange
from tests.router.gateway import Running, Trio, chat

pytestmark = pytest.mark.anyio

ROUTES = {
    "poet": {"model": "s", "adapter": "verse", "system": "You are a poet.", "temperature": 0.9, "max_tokens": 40},
    "careful": {"model": "large", "system": "Think.", "stop": ["END"]},
    "cheap": {"model": "auto"},
}
SHORTCUTS = {
    "greeting": {"pattern": "(hi|hello)( there)?[!. ]*", "answer": "Hello! How can I help?"},
    "name": {"pattern": r"my name is (?P<name>\w{1,40})[.!]?", "answer": "Nice to meet you, $name."},
    "hours": {"examples": ["When are you open?", "What are your opening hours?"], "answer": "Nine to five. $$0."},
}
ROUTING = {
    "rules": [
        {"to": "l", "headers": {"x-team": "research"}},
        {"to": "large", "metadata": {"job": "report"}},
        {"to": "small", "endpoints": ["messages"]},
    ]
}


def fleet_of(engines: Trio, **sections: Any) -> Fleet:  # noqa: ANN401 - as in a fleet file
    """The usual fleet with routes, shortcuts and rules; its small model has an adapter and a cost."""
    plain = engines.fleet().model_dump(exclude_unset=True)
    plain["models"]["s"] |= {"adapters": {"verse": "x/verse"}, "own_cost": {"prompt": 1, "completion": 2}}
    return Fleet.model_validate(
        {**plain, "routes": ROUTES, "shortcuts": SHORTCUTS, "routing": ROUTING, **sections},
    )


@pytest.fixture
async def gateway(engines: Trio) -> AsyncIterator[Running]:
    """A gateway with all of it."""
    async with Running(fleet_of(engines)) as running:
        yield running


async def test_a_route_adds_its_prompt_and_parameters(gateway: Running, engines: Trio) -> None:
    """The adapter's name is what the engine is asked for; what the caller set itself stays."""
    response = await gateway.chat(model="poet", temperature=0.1)
    assert (response.status, response.header("x-freehold-reason")) == (200, "route")
    assert response.header("x-freehold-adapter") == "verse"
    [exchange] = engines.small.seen
    assert exchange.request["model"] == "verse"
    assert exchange.request["messages"][0] == {"role": "system", "content": "You are a poet."}
    assert (exchange.request["temperature"], exchange.request["max_completion_tokens"]) == (0.1, 40)


async def test_a_route_to_a_tier(gateway: Running, engines: Trio) -> None:
    """Its models answer, the caller's own system prompt after the route's."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
    response = await gateway.chat(model="careful", messages=messages)
    assert (response.header("x-freehold-model"), response.header("x-freehold-reason")) == ("l", "route")
    [exchange] = engines.large.seen
    assert exchange.request["messages"][0]["content"] == "Think.\n\nBe brief."
    assert exchange.request["stop"] == ["END"]


async def test_an_adapter_that_the_engine_does_not_know(gateway: Running, engines: Trio) -> None:
    """The model answers without it, and for a while nobody asks for it again."""

    async def unknown(exchange: Exchange) -> None:
        exchange.answer({"message": "no such model"}, 404)

    engines.small.plays.append(unknown)
    for _ in range(2):
        response = await gateway.chat(model="poet")
        assert (response.status, response.header("x-freehold-model")) == (200, "s")
        assert response.header("x-freehold-adapter") == ""
    assert [exchange.request["model"] for exchange in engines.small.seen] == ["verse", "org/s", "org/s"]


async def test_routes_are_listed(gateway: Running) -> None:
    """Like models, with who stands behind them."""
    cards = {card["id"]: card for card in (await gateway.get("/v1/models")).json["data"]}
    assert {"poet", "careful", "cheap"} <= set(cards)
    assert (cards["poet"]["models"], cards["careful"]["models"]) == (["s"], ["l"])


async def test_a_route_without_a_place_for_its_prompt(gateway: Running) -> None:
    """Dropping it in silence would be another role."""
    response = await gateway.post("/v1/completions", {"model": "careful", "prompt": "Once"})
    assert (response.status, response.error["code"]) == (400, "model_not_capable")


RULED: dict[str, tuple[str, dict[str, Any], dict[str, str], tuple[str, str]]] = {
    "header": ("/v1/chat/completions", chat(), {"x_team": "research"}, ("l", "rule")),
    "other-header": ("/v1/chat/completions", chat(), {"x_team": "sales"}, ("s", "short-prompt")),
    "metadata": ("/v1/chat/completions", chat(metadata={"job": "report"}), {}, ("l", "rule")),
    "endpoint": ("/v1/messages", {**chat(), "max_tokens": 9}, {}, ("s", "rule")),
    "named": ("/v1/chat/completions", chat(model="s"), {"x_team": "research"}, ("s", "named")),
}


@pytest.mark.parametrize(("path", "body", "headers", "expected"), RULED.values(), ids=RULED)
async def test_rules(
    gateway: Running, path: str, body: dict[str, Any], headers: dict[str, str], expected: tuple[str, str]
) -> None:
    """The first that holds says who answers to ``auto``."""
    response = await gateway.post(path, body, **headers)
    assert (response.header("x-freehold-model"), response.header("x-freehold-reason")) == expected


def turns(*said: str) -> dict[str, object]:
    """A conversation: the user's and the model's words in turn."""
    roles = ("user", "assistant")
    return chat(messages=[{"role": roles[at % 2], "content": text} for at, text in enumerate(said)])


async def test_a_conversation_stays_with_its_model(gateway: Running) -> None:
    """Also when it has grown long enough for another; what is another conversation is decided anew."""
    first = await gateway.post("/v1/chat/completions", turns("Tell me of Rome."))
    then = await gateway.post("/v1/chat/completions", turns("Tell me of Rome.", "Rome is old.", "word " * 2000))
    other = await gateway.post("/v1/chat/completions", turns("Tell me of Oslo.", "Oslo is cold.", "word " * 2000))
    told = [(one.header("x-freehold-model"), one.header("x-freehold-reason")) for one in (first, then, other)]
    assert told == [("s", "short-prompt"), ("s", "pinned"), ("l", "long-prompt")]


async def test_a_conversation_moves_when_it_must(gateway: Running, engines: Trio) -> None:
    """Pictures, a longer context, a model that is gone."""
    engines.small.tokens = 5000
    await gateway.post("/v1/chat/completions", turns("Tell me of Rome."), x_freehold_conversation="a")
    long = turns("Tell me of Rome.", "It is old.", "word " * 6000)
    response = await gateway.post("/v1/chat/completions", long, x_freehold_conversation="a")
    assert (response.header("x-freehold-model"), response.header("x-freehold-reason")) == ("l", "only-able")


@pytest.mark.parametrize("system", ["Be brief.", "word " * 2000], ids=["short", "long"])
async def test_another_worker_comes_to_the_same(engines: Trio, system: str) -> None:
    """It knows nothing of a conversation with a name, and judges it by how it began."""
    begun = [{"role": "system", "content": system}, {"role": "user", "content": "Tell me of Rome."}]
    grown = [*begun, {"role": "assistant", "content": "It is old."}, {"role": "user", "content": "word " * 1500}]
    models = set()
    for messages in (begun, grown):
        async with Running(fleet_of(engines)) as worker:
            body = chat(messages=messages)
            response = await worker.post("/v1/chat/completions", body, x_freehold_conversation="a")
            models.add(response.header("x-freehold-model"))
    assert models == {"l" if len(system) > 4000 else "s"}


async def test_a_batch_is_no_conversation(gateway: Running) -> None:
    """The same examples before each question: each is decided for itself."""
    short, long = turns("2+2", "4", "3+3"), turns("2+2", "4", "word " * 2000)
    for body, model in ((short, "s"), (long, "l"), (short, "s")):
        response = await gateway.post("/v1/chat/completions", body)
        assert response.header("x-freehold-model") == model


async def test_only_deciding_pins_nothing(gateway: Running) -> None:
    """``/v1/route`` is no turn of a conversation."""
    await gateway.post("/v1/route", turns("Tell me of Rome."))
    long = turns("Tell me of Rome.", "Rome is old.", "word " * 2000)
    assert (await gateway.post("/v1/chat/completions", long)).header("x-freehold-model") == "l"


async def test_too_long_a_name_of_a_conversation(gateway: Running) -> None:
    """It is refused by name."""
    response = await gateway.post("/v1/chat/completions", chat(), x_freehold_conversation="x" * 300)
    assert (response.status, response.error["param"]) == (400, "x-freehold-conversation")


SAID = {
    "pattern": ("Hello there!", "Hello! How can I help?"),
    "group": ("My name is Zoë.", "Nice to meet you, Zoë."),
    "example": ("what are your opening hours", "Nine to five. $0."),
}


@pytest.mark.parametrize(("text", "answer"), SAID.values(), ids=SAID)
async def test_a_shortcut_answers(gateway: Running, engines: Trio, text: str, answer: str) -> None:
    """As a whole answer, a stream, and in Anthropic's shape; no engine is asked."""
    whole = await gateway.post("/v1/chat/completions", chat(text))
    assert whole.json["choices"][0]["message"]["content"] == answer
    assert whole.json["usage"]["total_tokens"] == 0
    assert (whole.header("x-freehold-model"), whole.header("x-freehold-reason")) == ("shortcut", "shortcut")
    stream = await gateway.post("/v1/chat/completions", chat(text, stream=True))
    assert (stream.events[-1], answer in stream.body.decode()) == ("[DONE]", True)
    messages = await gateway.post("/v1/messages", {**chat(text), "max_tokens": 9})
    assert messages.json["content"] == [{"type": "text", "text": answer}]
    events = await gateway.post("/v1/messages", {**chat(text), "max_tokens": 9, "stream": True})
    assert "message_stop" in events.events[-1]
    assert not any(engine.seen for engine in engines)
    [*lines] = await gateway.told(4)
    assert {line["outcome"] for line in lines} == {"complete"}
    assert await gateway.metric("freehold_requests_total", reason="shortcut") == 4


NOT_SHORT: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "another-text": (chat("Hello, what is 2+2?"), {}),
    "a-model-by-name": (chat("Hello!", model="s"), {}),
    "opted-out": (chat("Hello!"), {"x_freehold_shortcuts": "off"}),
    "two-answers": (chat("Hello!", n=2), {}),
    "json": (chat("Hello!", response_format={"type": "json_object"}), {}),
    "the-model's-turn": (turns("Hello!", "Hi!"), {}),
}


@pytest.mark.parametrize(("body", "headers"), NOT_SHORT.values(), ids=NOT_SHORT)
async def test_what_is_no_shortcut(gateway: Running, body: dict[str, Any], headers: dict[str, str]) -> None:
    """A model answers."""
    response = await gateway.post("/v1/chat/completions", body, **headers)
    assert (response.status, response.header("x-freehold-model")) == (200, "s")


async def test_a_decision_explains_itself(gateway: Running) -> None:
    """What it would cost, who else would answer, and how the dial stands."""
    found = (await gateway.post("/v1/route", chat(max_tokens=100))).json
    assert found["expected_cost_usd"] == pytest.approx((found["prompt_tokens"] + 2 * 100) / 1e6)
    assert [one["model"] for one in found["candidates"]] == ["s", "l"]
    assert found["candidates"][1]["expected_cost_usd"] is None
    assert found["dial"]["asked"] == "large_share: 0.2"
    assert found["dial"]["met"] is False
    assert "no router has been promoted" in found["dial"]["says"]
    answered: Response = await gateway.chat(max_tokens=100)
    assert float(answered.header("x-freehold-expected-cost-usd")) == pytest.approx(found["expected_cost_usd"], rel=1e-3)


async def test_a_shortcut_explained(gateway: Running) -> None:
    """It costs nothing, and nobody else is needed."""
    found = (await gateway.post("/v1/route", chat("Hello"))).json
    assert (found["model"], found["reason"], found["expected_cost_usd"]) == ("shortcut", "shortcut", 0)
    assert found["alternatives"] == []
