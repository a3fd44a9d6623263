"""The engine on a real port: vLLM's paths, kept connections, and clients that leave."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from serving.simulated import Simulation, Steady, simulated_engine
from serving.simulated.listen import HOST, listen

FAST = Simulation("m", Steady(token_s=0.001, prompt_token_s=0), adapters=("tuned",), speed=1)
HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}
PATIENCE_S = 20
ENDLESS: dict[str, Any] = {"model": "m", "prompt": "Hello", "max_tokens": 8000, "ignore_eos": True}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """An engine for all tests of this file."""
    with simulated_engine(FAST) as url:
        yield url


def connected(url: str) -> http.client.HTTPConnection:
    """A connection of one's own."""
    parts = urlsplit(url)
    return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)


def ask(url: str, path: str, body: object = None, method: str = "") -> tuple[int, bytes]:
    """Status and body."""
    connection = connected(url)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, content)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def running(url: str) -> float:
    """Sequences that run now."""
    found = re.search(rb"^vllm:num_requests_running\S* (\S+)$", ask(url, "/metrics")[1], re.MULTILINE)
    assert found
    return float(found[1])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/health", None, 200),
        ("/ping", None, 200),
        ("/version", None, 200),
        ("/v1/models", None, 200),
        ("/metrics", None, 200),
        ("/tokenize", {"prompt": "Hello"}, 200),
        ("/v1/chat/completions", HELLO, 200),
        ("/v1/chat/completions", {**HELLO, "model": "tuned"}, 200),
        ("/v1/chat/completions", {**HELLO, "model": "other"}, 404),
        ("/v1/chat/completions", b"{nonsense", 400),
        ("/v1/chat/completions", None, 405),
        ("/v1/responses", {"input": "Hello"}, 404),
        ("/health?verbose=1", None, 200),
    ],
)
def test_paths(url: str, path: str, body: object, status: int) -> None:
    """Those that are covered answer, the others refuse, as vLLM's server does."""
    assert ask(url, path, body)[0] == status


def test_a_message_is_streamed_to_its_end(url: str) -> None:
    """Its last token, which says nothing, is not the end of it."""
    body = {"model": "m", "messages": HELLO["messages"], "max_tokens": 8000, "stream": True}
    status, answer = ask(url, "/v1/messages", body)
    assert status == 200
    assert answer.endswith(b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
    assert b'"stop_reason":"end_turn"' in answer


def test_a_head_has_no_body(url: str) -> None:
    """Else the next answer on its connection would begin with it."""
    connection = connected(url)
    for method in ("HEAD", "GET"):
        connection.request(method, "/metrics")
        assert bool(connection.getresponse().read()) == (method == "GET")
    connection.close()


def test_a_connection_is_kept(url: str) -> None:
    """Streams and whole answers follow one another on it."""
    connection = connected(url)
    for stream in (True, False, True):
        connection.request("POST", "/v1/chat/completions", json.dumps({**HELLO, "stream": stream}))
        response = connection.getresponse()
        assert response.getheader("content-type", "").startswith("text/event-stream" if stream else "application/json")
        assert response.read().endswith(b"data: [DONE]\n\n" if stream else b"}")
    connection.close()


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_client_that_leaves_is_noticed(url: str, stream: bool) -> None:
    """Its sequence is gone from the batch, without anybody asking for it again."""
    connection = connected(url)
    connection.request("POST", "/v1/completions", json.dumps({**ENDLESS, "stream": stream}))
    while not running(url):
        pass
    connection.close()
    while running(url):
        pass
    assert b'finished_reason="abort",model_name="m"} 0.0' not in ask(url, "/metrics")[1]


def test_nonsense_is_cut_off(url: str) -> None:
    """What is no HTTP ends its connection, and nobody else's."""
    connection = connected(url)
    connection.connect()
    connection.sock.sendall(b"nonsense\r\n\r\n")
    assert connection.sock.recv(100) == b""
    connection.close()
    assert ask(url, "/health")[0] == 200


def test_an_adapter_is_listed_below_its_model(url: str) -> None:
    """As vLLM lists them."""
    listed = json.loads(ask(url, "/v1/models")[1])["data"]
    assert [(one["id"], one["parent"]) for one in listed] == [("m", None), ("tuned", "m")]


def test_a_port_in_use_is_an_error(url: str) -> None:
    """Two engines cannot have the same port."""
    with pytest.raises(OSError, match="in use"), simulated_engine(FAST, urlsplit(url).port or 0):
        pytest.fail("it started")


def test_what_is_under_way_at_the_end_is_cut() -> None:
    """A stream never looks complete that is not."""
    with simulated_engine(FAST) as url:
        connection = connected(url)
        connection.request("POST", "/v1/completions", json.dumps({**ENDLESS, "stream": True}))
        response = connection.getresponse()
        assert response.read(6) == b"data: "
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    connection.close()


def test_told_to_finish_it_ends_with_the_answer_under_way() -> None:
    """A drain takes nothing new and cuts nothing that ends in time."""

    async def drained() -> tuple[bytes, bytes]:
        listener = await listen({"": [FAST]}, 0)
        address = (HOST, listener.port)
        idle, quiet = await asyncio.open_connection(*address)
        reader, writer = await asyncio.open_connection(*address)
        body = json.dumps({**HELLO, "max_tokens": 50, "stream": True}).encode()
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        begun = await reader.readuntil(b"data: ")
        await listener.drain(PATIENCE_S)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)
        rest = await reader.read()
        quiet.close()
        writer.close()
        return await idle.read(), begun + rest

    nothing, answer = asyncio.run(drained())
    assert nothing == b""
    assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")


def test_a_drain_has_an_end() -> None:
    """What takes longer is cut."""

    async def drained() -> bytes:
        listener = await listen({"": [FAST]}, 0)
        reader, writer = await asyncio.open_connection(HOST, listener.port)
        body = json.dumps({**ENDLESS, "stream": True}).encode()
        writer.write(b"POST /v1/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await reader.readuntil(b"data: ")
        await listener.drain(0.05)
        try:
            return await reader.read()
        except ConnectionResetError:
            return b"cut"
        finally:
            writer.close()

    assert not asyncio.run(drained()).endswith(b"0\r\n\r\n")
