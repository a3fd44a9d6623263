"""vLLM's own ``/v1/messages`` as a hosted model: a genuine Messages endpoint that is nobody's but ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cluster.spec import Fleet as Spec
from tests.e2e.fleet import Fleet
from tests.router.backends.translate.talk import assembled, heard
from tests.router.client import Response
from tests.router.gateway import Running
from tests.router.hosted import PRICE

pytestmark = pytest.mark.anyio
HELLO: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello, who are you?"},
]
ASKED: dict[str, Any] = {"messages": HELLO, "max_tokens": 8, "temperature": 0}
KEY_ENV = "FREEHOLD_TEST_NO_KEY"


@pytest.fixture
def anyio_backend() -> str:
    """One event loop is enough here."""
    return "asyncio"


@pytest.fixture
async def gateway(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A gateway whose local model is gone, and whose chain ends at a vLLM replica."""
    monkeypatch.setenv(KEY_ENV, "none")
    there = {"url": fleet.engines.format(model="tiny-small"), "served_as": "tiny-small", "context_length": 2048}
    spec = Spec.model_validate(
        {
            "name": "spilling",
            "models": {
                "gone": {"engine": "url", "url": "http://127.0.0.1:9"},
                "here": {"engine": "url", **there},
                "hosted": {"engine": "claude", "price": PRICE, "api_key_env": KEY_ENV, **there},
            },
            "tiers": {"small": ["gone"]},
            "spillover": {"chain": ["hosted"], "open_usd_per_day": 10},
        }
    )
    async with Running(spec) as running:
        yield running


def payloads(answer: Response) -> list[dict[str, Any]]:
    """The data of a stream's events."""
    lines = [line[6:] for line in answer.body.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


async def test_a_chat_spills_and_says_the_same(gateway: Running) -> None:
    """Translated there and back, a greedy answer is the one that the replica's own chat endpoint gives."""
    spilled = await gateway.chat(**ASKED)
    direct = await gateway.chat(model="here", **ASKED)
    assert spilled.status == 200, spilled.body
    assert spilled.header("x-freehold-reason") == "spill-down"
    one, other = (answer.json["choices"][0] for answer in (spilled, direct))
    assert one["message"]["content"] == other["message"]["content"] != ""
    assert one["finish_reason"] == other["finish_reason"] == "length"
    assert spilled.json["usage"]["completion_tokens"] == 8
    assert spilled.json["usage"]["prompt_tokens"] == direct.json["usage"]["prompt_tokens"]


async def test_a_stream_spills_and_says_the_same(gateway: Running) -> None:
    """And streamed."""
    streamed = await gateway.chat(stream=True, stream_options={"include_usage": True}, **ASKED)
    whole = await gateway.chat(model="hosted", **ASKED)
    said = assembled(payloads(streamed))
    assert said["content"] == whole.json["choices"][0]["message"]["content"] != ""
    assert (said["finish_reason"], said["usage"]["completion_tokens"]) == ("length", 8)


async def test_completions_and_responses_spill(gateway: Running) -> None:
    """Both say what the same words say in a chat."""
    asked = {"temperature": 0, "model": "auto"}
    text = await gateway.post("/v1/completions", {"prompt": "Hello?", "max_tokens": 8, **asked})
    whole = await gateway.post("/v1/responses", {"input": "Hello?", "max_output_tokens": 8, **asked})
    stream = {"input": "Hello?", "max_output_tokens": 8, "stream": True, **asked}
    streamed = await gateway.post("/v1/responses", stream)
    direct = await gateway.chat(model="here", max_tokens=8, temperature=0)
    last = payloads(streamed)[-1]
    said = [answer["output"][0]["content"][0]["text"] for answer in (whole.json, last["response"])]
    assert {text.json["choices"][0]["text"], *said} == {direct.json["choices"][0]["message"]["content"]}
    assert (last["type"], last["response"]["usage"]["output_tokens"]) == ("response.incomplete", 8)


async def test_a_messages_request_spills_as_it_is(gateway: Running) -> None:
    """For Anthropic's own clients."""
    body = {"model": "auto", "max_tokens": 8, "messages": [{"role": "user", "content": "Hello?"}], "temperature": 0}
    whole = await gateway.post("/v1/messages", body)
    streamed = await gateway.post("/v1/messages", {**body, "stream": True})
    assert (whole.status, whole.header("x-freehold-model")) == (200, "hosted")
    assert heard(payloads(streamed))["content"][0]["text"] == whole.json["content"][0]["text"] != ""
