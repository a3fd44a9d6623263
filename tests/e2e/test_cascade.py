"""The cascade on real log probabilities: vLLM's streams held, kept, cut, and given up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.spec import Fleet as Spec
from tests.e2e.fleet import Fleet
from tests.e2e.test_serving_process import count, wait_until
from tests.router.gateway import Running

pytestmark = pytest.mark.anyio
NEVER = 1e-9
"""A share so small that nothing is given up."""
TOKENS = 8
ASKED: dict[str, Any] = {"max_tokens": 24, "temperature": 0, "ignore_eos": True}


@pytest.fixture
def anyio_backend() -> str:
    """One event loop is enough here."""
    return "asyncio"


def cascading(fleet: Fleet, share: float) -> Running:
    """A gateway before the fleet's engines; the one with a single replica is ``small``, as its metrics are whole."""
    model = {"context_length": 4096}
    spec = Spec.model_validate(
        {
            "name": "cascading",
            "models": {
                "tiny-large": {"source": "builtin:tiny-large", **model},
                "tiny-small": {"source": "builtin:tiny-small", **model},
            },
            "tiers": {"small": ["tiny-large"], "large": ["tiny-small"]},
            "routing": {"cascade": {"share": share, "tokens": TOKENS, "hold_seconds": 60, "top_logprobs": 2}},
        }
    )
    return Running(spec, fleet.engines)


async def test_a_kept_answer_is_what_the_engine_says_itself(fleet: Fleet) -> None:
    """Held, cut and put together, a greedy answer is the same; streamed, no chunk has log probabilities left."""
    async with cascading(fleet, NEVER) as gateway:
        direct = await gateway.chat(model="tiny-large", **ASKED)
        whole = await gateway.chat(**ASKED)
        streamed = await gateway.chat(stream=True, stream_options={"include_usage": True}, **ASKED)
        trials = [line for line in gateway.lines if line["event"] == "cascade"]
    assert direct.header("x-freehold-reason") == "named"
    assert {answer.header("x-freehold-reason") for answer in (whole, streamed)} == {"cascade-kept"}
    chunks = [json.loads(data) for data in streamed.events if data != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    said = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert said == whole.json["choices"][0]["message"]["content"] == direct.json["choices"][0]["message"]["content"]
    counts = [usage["usage"]["completion_tokens"] for usage in (chunks[-1], whole.json, direct.json)]
    assert counts == [ASKED["max_tokens"]] * 3
    assert {choice["logprobs"] for choice in choices} == {None}
    assert [trial["tokens"] for trial in trials] == [TOKENS, TOKENS]
    assert all(trial["min_logprob"] <= trial["mean_logprob"] < 0 < trial["entropy"] for trial in trials)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
async def test_an_answer_that_is_given_up_frees_the_engine(fleet: Fleet, stream: bool) -> None:
    """Long before its end; the caller gets the other model's, whole."""
    before = count(fleet, "vllm:generation_tokens_total")
    async with cascading(fleet, 1) as gateway:
        answer = await gateway.chat(stream=stream, **{**ASKED, "max_tokens": 2000})
    assert (answer.status, answer.whole) == (200, True)
    assert answer.header("x-freehold-model") == "tiny-small"
    assert answer.header("x-freehold-reason") == "cascade-escalated"
    wait_until(lambda: count(fleet, "vllm:num_requests_running") == 0)
    assert TOKENS <= count(fleet, "vllm:generation_tokens_total") - before < 2000
