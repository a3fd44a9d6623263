"""A scripted engine: a real TCP server in the test's own event loop that does what a test tells it to, byte for byte.

A *play* is a coroutine function that answers one request; :attr:`Engine.plays` is the queue of them, and
:meth:`Engine.usual` answers when the queue is empty. Listing models and counting tokens are answered apart and use up
no play. What was received, and whether the peer is still there, can be asked of every :class:`Exchange`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar, cast

from tests.ports import Reserved

Play = Callable[["Exchange"], Awaitable[None]]

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


T = TypeVar("T")

PATIENCE_S = 20
"""A test that waits longer than this for anything has failed."""


async def soon(awaitable: Awaitable[T]) -> T:
    """What comes of it; a failure where nothing comes."""
    async with asyncio.timeout(PATIENCE_S):
        return await awaitable


async def until(ready: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what can only be watched from outside."""
    async with asyncio.timeout(PATIENCE_S):
        while not await ready():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.003)


class Exchange:
    """One request that the engine received, and the means to answer it."""

    def __init__(self, wire: _Wire, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> None:
        """The engine makes them."""
        self.wire, self.method, self.path, self.headers, self.body = wire, method, path, headers, body
        self.gone = asyncio.Event()
        """Set once the peer has closed the connection, or cut it."""
        self.said = asyncio.Event()
        """Set by a play that has said what it had to."""

    async def left(self) -> None:
        """Wait until the peer has gone."""
        await soon(self.gone.wait())

    @property
    def request(self) -> dict[str, Any]:
        """The body's JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def header(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def send(self, data: bytes) -> None:
        """Write bytes as they are, while the peer is there."""
        if not self.gone.is_set():
            self.wire.transport.write(data)

    def answer(self, body: object, status: int = 200, **headers: str) -> None:
        """A whole JSON answer; bytes go out as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        more += f"content-type: application/json\r\ncontent-length: {len(content)}\r\n"
        self.send(f"HTTP/1.1 {status} X\r\n{more}\r\n".encode() + content)

    def begin(self, status: int = 200, content_type: str = "text/event-stream; charset=utf-8") -> None:
        """The head of a chunked answer."""
        self.send(f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode())

    def piece(self, data: bytes) -> None:
        """One HTTP chunk."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """The last HTTP chunk."""
        self.send(b"0\r\n\r\n")

    def stream(self, *pieces: bytes) -> None:
        """A whole chunked answer, a chunk a piece."""
        self.begin()
        for piece in pieces:
            self.piece(piece)
        self.end()

    def close(self) -> None:
        """End the connection in good order (FIN), after what was written."""
        self.wire.transport.close()

    def reset(self) -> None:
        """Cut the connection (RST)."""
        connection: socket.socket = self.wire.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.transport.abort()


class _Wire(asyncio.Protocol):
    """One connection of the gateway's to the engine."""

    transport: asyncio.Transport

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._received = b""
        self._exchange: Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._engine.wires.add(self)
        self._engine.opened += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        line, *lines = head.decode().split("\r\n")
        headers = [(name.lower(), value) for name, value in (line.split(": ", 1) for line in lines)]
        length = int(dict(headers).get("content-length", "0"))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, path, _ = line.split(" ")
        self._exchange = Exchange(self, method, path, headers, rest[:length])
        self._engine.take(self._exchange)

    def connection_lost(self, _: Exception | None) -> None:
        self._engine.wires.discard(self)
        if self._exchange is not None:
            self._exchange.gone.set()


class Engine:
    """The server. ``async with Engine() as engine`` starts it on a free port and takes it down."""

    def __init__(self) -> None:
        """Nothing listens yet."""
        self.plays: deque[Play] = deque()
        self.tokens: int | None = None
        """What ``/tokenize`` counts; with None there is no such endpoint."""
        self.seen: list[Exchange] = []
        """Requests to generate."""
        self.asides: list[Exchange] = []
        """Requests to list models and to count tokens."""
        self.wires: set[_Wire] = set()
        """Open connections."""
        self.opened = 0
        """Connections opened so far."""
        self.port = 0
        self.counts: Play | None = None
        """What ``/tokenize`` plays instead."""
        self.lists: Play | None = None
        """What ``/v1/models`` plays instead, once."""
        self.playing: set[Exchange] = set()
        """Exchanges whose play has not ended."""
        self._arrivals: asyncio.Queue[Exchange] = asyncio.Queue()
        self._asides: asyncio.Queue[Exchange] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: list[BaseException] = []
        """Of plays."""
        self._reserved: Reserved | None = None

    @property
    def url(self) -> str:
        """The base address."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen; again at the same port, after a stop."""
        self._free()
        self._server = await asyncio.get_running_loop().create_server(lambda: _Wire(self), "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening, cut what is open, and end the plays."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._free()

    def stop(self) -> None:
        """Die: nobody listens, no connection stays."""
        self._server.close()
        self._free()
        self._reserved = Reserved(self.port)
        for wire in list(self.wires):
            wire.transport.abort()

    def _free(self) -> None:
        if self._reserved is not None:
            self._reserved.give_back()
            self._reserved = None

    def then(self, *plays: Play) -> None:
        """The next requests are answered by these, in this order."""
        self.plays.extend(plays)

    async def arrival(self) -> Exchange:
        """The next request to generate that nobody has asked for yet."""
        return await soon(self._arrivals.get())

    async def aside(self) -> Exchange:
        """The same for those to list models and to count tokens."""
        return await soon(self._asides.get())

    def take(self, exchange: Exchange) -> None:
        """A request is in; play."""
        if exchange.path.endswith(("/models", "/tokenize")):
            self.asides.append(exchange)
            self._asides.put_nowait(exchange)
            play: Play = self._list if exchange.method == "GET" else self.counts or self._tokenize
            if exchange.method == "GET" and self.lists is not None:
                play, self.lists = self.lists, None
        else:
            self.seen.append(exchange)
            self._arrivals.put_nowait(exchange)
            play = self.plays.popleft() if self.plays else usual
        task = asyncio.get_running_loop().create_task(self._run(play, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def _run(self, play: Play, exchange: Exchange) -> None:
        self.playing.add(exchange)
        try:
            await play(exchange)
        finally:
            self.playing.discard(exchange)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self.failures.append(failure)

    async def _list(self, exchange: Exchange) -> None:
        exchange.answer({"object": "list", "data": []})

    async def _tokenize(self, exchange: Exchange) -> None:
        if self.tokens is None:
            exchange.answer({"detail": "Not Found"}, 404)
        else:
            exchange.answer({"count": self.tokens, "max_model_len": 1 << 20})


async def usual(exchange: Exchange) -> None:
    """What a healthy engine answers, on every endpoint, streamed or not."""
    if exchange.request.get("stream"):
        exchange.stream(*STREAMS[exchange.path.rpartition("/v1/")[2]])
    else:
        exchange.answer(ANSWERS[exchange.path.rpartition("/v1/")[2]])


async def silent(exchange: Exchange) -> None:
    """Never a byte."""
    await exchange.gone.wait()


def event(payload: object, name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {payload if isinstance(payload, str) else json.dumps(payload)}\n\n".encode()


def delta(text: str) -> bytes:
    """One chunk of a chat stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return event({"id": "c", "object": "chat.completion.chunk", "model": "m", "choices": [choice]})


WORDS = tuple(map(delta, ("Grüße", " from", " the engine")))
STOP = event({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
COUNTED = event({"id": "c", "choices": [], "usage": USAGE})
DONE = event("[DONE]")

_TEXT = event({"id": "c", "object": "text_completion", "choices": [{"index": 0, "text": "Grüße"}]})
_INPUT_USED = {"input_tokens": 7, "output_tokens": 3}

STREAMS: dict[str, tuple[bytes, ...]] = {
    "chat/completions": (*WORDS, STOP, COUNTED, DONE),
    "completions": (_TEXT, COUNTED, DONE),
    "responses": (
        event({"type": "response.created", "response": {"id": "r", "usage": None}}, "response.created"),
        event({"type": "response.output_text.delta", "delta": "Grüße"}, "response.output_text.delta"),
        event({"type": "response.completed", "response": {"id": "r", "usage": _INPUT_USED}}, "response.completed"),
    ),
    "messages": (
        event({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 7}}}, "message_start"),
        event({"type": "content_block_delta", "delta": {"text": "Grüße"}}, "content_block_delta"),
        event({"type": "message_delta", "usage": {"output_tokens": 3}}, "message_delta"),
        event({"type": "message_stop"}, "message_stop"),
    ),
}
ANSWERS: dict[str, dict[str, Any]] = {
    "chat/completions": {
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Grüße"}, "finish_reason": "stop"}],
        "usage": USAGE,
    },
    "completions": {"id": "c", "choices": [{"index": 0, "text": "Grüße", "finish_reason": "stop"}], "usage": USAGE},
    "embeddings": {"object": "list", "data": [{"index": 0, "embedding": [0.5, 0.25]}], "usage": {"prompt_tokens": 7}},
    "responses": {"id": "r", "object": "response", "status": "completed", "output": [], "usage": _INPUT_USED},
    "messages": {"id": "m", "type": "message", "content": [], "stop_reason": "end_turn", "usage": _INPUT_USED},
}
