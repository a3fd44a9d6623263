"""The simulated engine beside a real vLLM: the same fields, events, errors and metric names."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving.simulated import Simulation, simulated_engine
from tests.e2e.fleet import Fleet

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12, "ignore_eos": True}
TEXT: dict[str, Any] = {"prompt": "Hello", "max_tokens": 12, "ignore_eos": True}
SAY: dict[str, Any] = {"messages": CHAT["messages"], "system": "Be brief.", "max_tokens": 12}
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
CONTINUOUS: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", CHAT),
    "chat-two": ("/v1/chat/completions", {**CHAT, "n": 2}),
    "chat-logprobs": ("/v1/chat/completions", {**CHAT, "logprobs": True, "top_logprobs": 2}),
    "chat-stream": ("/v1/chat/completions", {**CHAT, "stream": True}),
    "chat-stream-usage": ("/v1/chat/completions", {**CHAT, **USAGE}),
    "chat-stream-continuous": ("/v1/chat/completions", {**CHAT, **CONTINUOUS}),
    "chat-stream-logprobs": ("/v1/chat/completions", {**CHAT, **USAGE, "logprobs": True, "top_logprobs": 1}),
    "text": ("/v1/completions", TEXT),
    "text-two-prompts": ("/v1/completions", {**TEXT, "prompt": ["Hello", "there"]}),
    "text-logprobs": ("/v1/completions", {**TEXT, "logprobs": 1}),
    "text-stream": ("/v1/completions", {**TEXT, "stream": True}),
    "text-stream-usage": ("/v1/completions", {**TEXT, **USAGE}),
    "message": ("/v1/messages", SAY),
    "message-stream": ("/v1/messages", {**SAY, "stream": True}),
    "message-count": ("/v1/messages/count_tokens", {"messages": CHAT["messages"]}),
    "tokenize": ("/tokenize", {"prompt": "Hello"}),
    "tokenize-messages": ("/tokenize", {"messages": CHAT["messages"]}),
    "models": ("/v1/models", {}),
    "no-model": ("/v1/chat/completions", {**CHAT, "model": "nobody"}),
    "no-messages": ("/v1/chat/completions", {}),
    "no-tokens": ("/v1/chat/completions", {**CHAT, "max_tokens": 0}),
    "too-many-tokens": ("/v1/completions", {**TEXT, "max_tokens": 1_000_000}),
    "too-long": ("/v1/completions", {**TEXT, "prompt": "Hello, " * 20_000}),
    "temperature": ("/v1/completions", {**TEXT, "temperature": -1}),
}
NOT_SIMULATED = {"estimated_flops_per_gpu", "estimated_read_bytes_per_gpu", "estimated_write_bytes_per_gpu"} | {
    "admission_rejections",
    "tool_call_parser_invocations",
}
"""Metrics of a real vLLM that a simulated one leaves out: of its hardware, of limits that are off, of tools."""


@pytest.fixture(scope="module")
def double() -> Iterator[str]:
    """A simulated engine of the same name."""
    with simulated_engine(Simulation("tiny-small", context_length=4096, speed=50)) as url:
        yield url


def ask(base: str, path: str, body: dict[str, Any]) -> tuple[int, str, str]:
    """Status, content type and body."""
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=120)
    method = "GET" if path in {"/v1/models", "/metrics"} else "POST"
    content = json.dumps({"model": "tiny-small", **body}) if method == "POST" else None
    connection.request(method, parts.path + path, content, {"content-type": "application/json"})
    try:
        response = connection.getresponse()
        return response.status, response.getheader("content-type", ""), response.read().decode()
    finally:
        connection.close()


def shape(content: Any) -> Any:  # noqa: ANN401 - JSON
    """The keys and kinds of JSON, all the way down; of a list, the kinds of members that it has."""
    if isinstance(content, dict):
        return {key: shape(value) for key, value in content.items()}
    if isinstance(content, list):
        return sorted({json.dumps(shape(one), sort_keys=True) for one in content})
    return "number" if isinstance(content, int | float) and not isinstance(content, bool) else type(content).__name__


def described(body: str) -> list[Any]:
    """The shape of an answer; of a stream, of each kind of event in the order in which they first come."""
    body = re.sub("^event: .*\n", "", body, flags=re.MULTILINE)
    if not body.startswith("data: "):
        return [free_of_names(shape(json.loads(body)))]
    events = [event.removeprefix("data: ") for event in body.split("\n\n") if event]
    shapes = [event if event == "[DONE]" else free_of_names(shape(json.loads(event))) for event in events]
    return [one for place, one in enumerate(shapes) if one not in shapes[:place]]


def free_of_names(content: Any) -> Any:  # noqa: ANN401 - JSON
    """The older log probabilities have tokens for keys; only that there are some is of interest."""
    text = json.dumps(content, sort_keys=True)
    return re.sub(r'\\"top_logprobs\\": \[.*?\]|"top_logprobs": \[.*?\]', '"top_logprobs"', text)


@pytest.mark.parametrize(("path", "body"), ASKED.values(), ids=ASKED)
def test_answers_alike(fleet: Fleet, double: str, path: str, body: dict[str, Any]) -> None:
    """Status, content type, and every field of every event, are those of vLLM."""
    real = ask(fleet.engines.format(model="tiny-small"), path, body)
    simulated = ask(double, path, body)
    assert simulated[:2] == real[:2]
    assert described(simulated[2]) == described(real[2])


def test_embeds_alike(fleet: Fleet, double: str) -> None:
    """The same fields, and as many dimensions as MiniLM."""
    body = {"input": ["Hello", "there"]}
    real = ask(fleet.engines.format(model="minilm"), "/v1/embeddings", {**body, "model": "minilm"})
    simulated = ask(double, "/v1/embeddings", body)
    assert described(simulated[2]) == described(real[2])
    vectors = [json.loads(answer[2])["data"][0]["embedding"] for answer in (real, simulated)]
    assert len(vectors[0]) == len(vectors[1])


def metrics(page: str) -> set[tuple[str, str, str]]:
    """Name, labels and, of histograms, the bounds of every series of vLLM's, without its creation times."""
    series = re.findall(r"^vllm:(\w+)\{(.*)\} \S+$", page, re.MULTILINE)
    return {
        (
            name,
            ",".join(sorted(re.findall(r"(\w+)=", labels))),
            "".join(re.findall(r'(?:le|reason|source)="(.*?)"', labels)),
        )
        for name, labels in series
        if not name.endswith("_created") and name.removesuffix("_total") not in NOT_SIMULATED | {"cache_config_info"}
    }


def test_measures_alike(fleet: Fleet, double: str) -> None:
    """Metrics have vLLM's names, labels and buckets."""
    for base in (fleet.engines.format(model="tiny-small"), double):
        ask(base, *ASKED["chat"])
    real = metrics(ask(fleet.engines.format(model="tiny-small"), "/metrics", {})[2])
    simulated = metrics(ask(double, "/metrics", {})[2])
    assert simulated ^ real == set()
