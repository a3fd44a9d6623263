"""Errors and broken answers come out under their own names, never as whole answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from threading import Thread

import pytest

from cluster.client.http import Endpoint
from cluster.errors import CutOffError, RefusedError, UnreachableError, UsageError
from tests.openai_server import USAGE, WORDS, openai_server

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
CHAT = "/v1/chat/completions"


@contextmanager
def one_answer(raw: bytes) -> Iterator[str]:
    """A server that sends ``raw`` to its only client, whatever that asks for, and hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # what is left unread would reset the connection, answer and all
                    pass

        thread = Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def test_a_whole_answer_has_headers_and_json() -> None:
    """Header names are lower-case and the body is parsed."""
    with openai_server() as url:
        reply = Endpoint(url).post(CHAT, BODY)
    assert reply.headers["content-type"] == "application/json"
    assert reply.body["usage"] == USAGE


def test_a_stream_ends_with_done() -> None:
    """Chunks come one by one, and the end mark is none of them."""
    with openai_server() as url, Endpoint(url).stream(CHAT, BODY) as stream:
        chunks = list(stream.chunks)
    assert len(chunks) == len(WORDS) + 3
    assert chunks[-1]["usage"] == USAGE


def test_a_stream_without_its_end_is_cut_off() -> None:
    """A stream that just ends is not a short answer."""
    body = {"messages": [{"role": "user", "content": "break off"}]}
    with openai_server() as url, Endpoint(url).stream(CHAT, body) as stream:
        pieces = iter(stream.chunks)
        assert next(pieces)
        with pytest.raises(CutOffError, match="broke off"):
            list(pieces)


@pytest.mark.parametrize(
    ("raw", "error", "words"),
    [
        pytest.param(
            b'HTTP/1.1 404 No\r\n\r\n{"error":{"message":"no such model"}}', RefusedError, "no such", id="404"
        ),
        pytest.param(b"HTTP/1.1 502 Bad\r\n\r\n<html>", RefusedError, "<html> .HTTP 502", id="502 that is no JSON"),
        pytest.param(b"HTTP/1.1 500 Bad\r\n\r\n", RefusedError, "no explanation", id="500 without a body"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", UnreachableError, "SSH-2.0", id="not HTTP"),
        pytest.param(b"", UnreachableError, "no gateway answers", id="hangs up"),
        pytest.param(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}", CutOffError, "broke off", id="half a body"),
    ],
)
def test_what_is_no_answer_is_an_error(raw: bytes, error: type[Exception], words: str) -> None:
    """Refusals, strangers and halves are told apart."""
    with one_answer(raw) as url, pytest.raises(error, match=words):
        Endpoint(url).post(CHAT, BODY)


@pytest.mark.parametrize(("status", "exit_code"), [(400, 2), (404, 2), (413, 2), (429, 3), (500, 3), (503, 3)], ids=str)
def test_the_exit_code_tells_whose_fault_it_is(status: int, exit_code: int) -> None:
    """Wrong requests are the caller's fault, full queues and dead engines are not."""
    assert RefusedError(status, "no").exit_code == exit_code


def test_an_error_event_ends_a_stream() -> None:
    """An error inside a stream that began well is raised with its message."""
    event = b'data: {"error": {"message": "engine died"}}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(event)
    with (
        one_answer(head + event) as url,
        Endpoint(url).stream(CHAT, BODY) as stream,
        pytest.raises(CutOffError, match="engine died"),
    ):
        list(stream.chunks)


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://"], ids=repr)
def test_an_address_that_is_none_is_wrong_use(url: str) -> None:
    """FREEHOLD_URL is named in the message."""
    with pytest.raises(UsageError, match="FREEHOLD_URL must be like"):
        Endpoint(url).get("/healthz")


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
def test_an_address_may_end_in_v1(suffix: str) -> None:
    """What people paste from an OpenAI client works too."""
    with openai_server() as url:
        assert Endpoint(url + suffix).get("/v1/models").body["object"] == "list"
