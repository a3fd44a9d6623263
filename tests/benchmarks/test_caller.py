"""What a benchmark's client calls a complete answer; the ledger is judged by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from benchmarks.lab import sides
from benchmarks.lab.caller import Answer, caller, question
from cluster.ports import free_port

pytestmark = pytest.mark.anyio

HEAD = b"HTTP/1.1 200 OK\r\nx-request-id: req_1\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
DONE = b"data: {}\n\ndata: [DONE]\n\n"
STREAM, JSON = b"text/event-stream; charset=utf-8", b"application/json"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The do-nothing engine's address."""
    with sides.engine(tmp_path_factory.mktemp("engine")) as side:
        yield side.url


@asynccontextmanager
async def _answering(data: bytes) -> AsyncIterator[str]:
    """A server that sends ``data`` to whoever asks, and hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(data)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


async def _ask(url: str, body: bytes) -> Answer:
    async with caller("key") as client:
        return await client.ask(url, body)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_an_engines_answer_is_complete(engine: str, stream: bool) -> None:
    """Both kinds of answers."""
    assert (await _ask(engine, question("burst", stream=stream))).complete


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        pytest.param(HEAD % (JSON, 2) + b"{}", True, id="whole"),
        pytest.param(HEAD % (JSON, 3) + b"{}", False, id="a byte short"),
        pytest.param(HEAD % (STREAM, len(DONE)) + DONE, True, id="stream"),
        pytest.param(HEAD % (STREAM, len(DONE)) + DONE[:-9], False, id="a stream cut"),
        pytest.param(HEAD % (STREAM, 10) + b"data: {}\n\n", False, id="a stream without its ending"),
        pytest.param(HEAD.replace(b"200 OK", b"503 No") % (JSON, 2) + b"{}", False, id="an error"),
    ],
)
async def test_only_all_of_it_is_complete(data: bytes, complete: bool) -> None:
    """By HTTP's framing and, for a stream, by its last event; the id is known either way."""
    async with _answering(data) as url:
        answer = await _ask(url, question())
    assert (answer.complete, answer.request_id, answer.reached) == (complete, "req_1", True)


async def test_nobody_there_is_not_an_answer_cut() -> None:
    """A request that reached no gateway was not cut by its death."""
    answer = await _ask(f"http://127.0.0.1:{free_port()}", question())
    assert (answer.complete, answer.reached) == (False, False)


async def test_hanging_up_at_once_is_an_answer_cut() -> None:
    """The request arrived; no status came back."""
    async with _answering(b"") as url:
        answer = await _ask(url, question())
    assert (answer.complete, answer.reached, answer.status) == (False, True, 0)


async def test_a_refusal_says_when_to_come_back() -> None:
    """A caller that is told to wait knows for how long."""
    async with _answering(b"HTTP/1.1 429 No\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n") as url:
        answer = await _ask(url, question())
    assert (answer.status, answer.retry_after) == (429, 7)
