"""The engines themselves, without the gateway: what they answer, when they stop, what becomes of them when killed."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from cluster.supervise.processes import of_run
from tests.e2e.fleet import Fleet

PATIENCE_S = 120
LONG: dict[str, Any] = {"prompt": "Hello", "max_tokens": 4000, "ignore_eos": True}
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@contextmanager
def asking(fleet: Fleet, model: str, path: str, body: dict[str, Any]) -> Iterator[http.client.HTTPConnection]:
    """A connection on which a request has been sent; closed at the end, answered or not."""
    with sent(fleet.engines.format(model=model) + path, {"model": model, **body} if body else {}) as connection:
        yield connection


@contextmanager
def sent(url: str, body: dict[str, Any]) -> Iterator[http.client.HTTPConnection]:
    """The same at any address."""
    base = urlsplit(url)
    connection = http.client.HTTPConnection(str(base.hostname), base.port, timeout=PATIENCE_S)
    text = json.dumps(body) if body else None
    connection.request("POST" if body else "GET", base.path, text, {"content-type": "application/json"})
    try:
        yield connection
    finally:
        connection.close()


def ask(fleet: Fleet, model: str, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of one answer."""
    with asking(fleet, model, path, body) as connection:
        response = connection.getresponse()
        return response.status, response.read()


def count(fleet: Fleet, metric: str) -> float:
    """One of vLLM's own figures, summed over its labels."""
    _, page = ask(fleet, "tiny-large", "/metrics", {})
    return sum(float(value) for value in re.findall(rf"^{metric}\S* (\S+)$", page.decode(), re.MULTILINE))


def wait_until(fact: Callable[[], bool]) -> None:
    """Ask again until it is so; the test's own timeout is the only limit."""
    while not fact():
        pass


ENDPOINTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4},
    "/v1/completions": {"prompt": "Hello", "max_tokens": 4},
    "/v1/responses": {"input": "Hello", "max_output_tokens": 4},
    "/v1/messages": {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4},
    "/tokenize": {"prompt": "Hello"},
}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_an_engine_answers_like_vllm(fleet: Fleet, path: str) -> None:
    """A replica is vLLM's own server: each of its endpoints that the gateway relays to is there."""
    status, body = ask(fleet, "tiny-small", path, ENDPOINTS[path])
    assert status == 200, body
    assert json.loads(body)


def test_a_tool_call_has_valid_arguments(fleet: Fleet) -> None:
    """Random weights under a grammar still call the tool that they must call, with what it takes."""
    body = {
        "messages": [{"role": "user", "content": "Rain in Rome?"}],
        "tools": [WEATHER],
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "max_tokens": 400,
    }
    _, answer = ask(fleet, "tiny-small", "/v1/chat/completions", body)
    [call] = json.loads(answer)["choices"][0]["message"]["tool_calls"]
    assert call["function"]["name"] == "weather"
    assert isinstance(json.loads(call["function"]["arguments"])["city"], str)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_costs_nothing_more(fleet: Fleet, stream: bool) -> None:
    """The engine drops the request once its client has gone, long before the answer's end."""
    before = count(fleet, "vllm:generation_tokens_total")
    with asking(fleet, "tiny-large", "/v1/completions", {**LONG, "stream": stream}):
        wait_until(lambda: count(fleet, "vllm:num_requests_running") == 1)
    wait_until(lambda: count(fleet, "vllm:num_requests_running") == 0)
    assert count(fleet, "vllm:generation_tokens_total") - before < LONG["max_tokens"]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_the_gateway_frees_the_engine(fleet: Fleet, stream: bool) -> None:
    """Through the gateway it is the same (benchmarks/ttft.py says how soon)."""
    before = count(fleet, "vllm:generation_tokens_total")
    with sent(fleet.url + "/v1/completions", {"model": "tiny-large", **LONG, "stream": stream}):
        wait_until(lambda: count(fleet, "vllm:num_requests_running") == 1)
    wait_until(lambda: count(fleet, "vllm:num_requests_running") == 0)
    assert count(fleet, "vllm:generation_tokens_total") - before < LONG["max_tokens"]


def test_an_unknown_model_has_no_route(fleet: Fleet) -> None:
    """Serve's HAProxy answers itself, in its own words: the gateway must not ask."""
    status, body = ask(fleet, "nobody", "/v1/completions", {"prompt": "Hello"})
    assert status == 404
    assert b"not found" in body


def test_a_killed_replica_takes_its_engine_along_and_comes_back(fleet: Fleet) -> None:
    """No engine core outlives its replica, requests fail at once meanwhile, and Serve brings the model back."""
    ours = [process for process in of_run(fleet.run) if process.environ().get("FREEHOLD_MODEL") == "minilm"]
    [replica] = [process for process in ours if "ServeReplica" in process.name()]
    replica.kill()
    _, alive = psutil.wait_procs(ours, timeout=PATIENCE_S)
    assert alive == []
    status, _ = ask(fleet, "minilm", "/v1/embeddings", {"input": "Hello"})
    assert status == 503
    wait_until(lambda: ask(fleet, "minilm", "/v1/embeddings", {"input": "Hello"})[0] == 200)
    assert ask(fleet, "tiny-small", "/v1/completions", {"prompt": "Hello", "max_tokens": 1})[0] == 200
