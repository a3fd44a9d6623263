"""Ways for a Python gateway to call an engine, each behind the same small Protocol, for the comparison of their cost.

Each one POSTs a prepared body and reads the answer to its end as it arrives, without parsing it: what a byte relay
does. ``python -m benchmarks.lab.clients`` runs one of them and prints what it cost; ``benchmarks/http_clients.py``
compares them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol, cast
from urllib.parse import urlsplit

import aiohttp
import httptools
import httpx
import httpx2
import uvloop

from router.backends.origin import Origin

PATH: Final = "/v1/chat/completions"
HEADERS: Final = {"content-type": "application/json", "accept": "*/*", "x-request-id": "5f0c1d9be2a74d18"}


class Client(Protocol):
    """Asks once and reads the answer to its end."""

    async def ask(self, body: bytes) -> int:
        """How many pieces the answer arrived in; raises the library's own error."""


class _Httpx:
    def __init__(self, client: httpx.AsyncClient | httpx2.AsyncClient) -> None:
        self._client = client

    async def ask(self, body: bytes) -> int:
        pieces = 0
        async with self._client.stream("POST", PATH, content=body, headers=HEADERS) as answer:
            answer.raise_for_status()
            async for _ in answer.aiter_raw():
                pieces += 1
        return pieces


@asynccontextmanager
async def by_httpx(url: str) -> AsyncIterator[Client]:
    """httpx, limits off."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client:
        yield _Httpx(client)


@asynccontextmanager
async def by_httpx2(url: str) -> AsyncIterator[Client]:
    """httpx2, limits off."""
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=60, trust_env=False) as client:
        yield _Httpx(client)


class _Aiohttp:
    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def ask(self, body: bytes) -> int:
        pieces = 0
        async with self._session.post(PATH, data=body, headers=HEADERS) as answer:
            answer.raise_for_status()
            async for _ in answer.content.iter_any():
                pieces += 1
        return pieces


@asynccontextmanager
async def by_aiohttp(url: str) -> AsyncIterator[Client]:
    """aiohttp, limits, cookies and decompression off, its deadlines on."""
    timeout = aiohttp.ClientTimeout(total=1800, sock_connect=2, sock_read=60)
    connector = aiohttp.TCPConnector(limit=0, force_close=False)
    async with aiohttp.ClientSession(
        url, connector=connector, timeout=timeout, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield _Aiohttp(session)


class _Wire(asyncio.Protocol):
    """One upstream connection that reads pieces into ``on_piece`` and sets ``ended``."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._on_piece: Callable[[bytes | None], object] = lambda _piece: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._on_piece(body)

    def on_message_complete(self) -> None:
        self._on_piece(None)

    def send(self, request: bytes, on_piece: Callable[[bytes | None], object]) -> None:
        """Write a request; its parser serves one answer."""
        self._parser = httptools.HttpResponseParser(self)
        self._on_piece = on_piece
        self._transport.write(request)


class _Bare:
    """The floor: asyncio protocols with httptools, a stack of idle connections, no deadline, no error handling."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        lines = "".join(f"{name}: {value}\r\n" for name, value in HEADERS.items())
        self._head = f"POST {PATH} HTTP/1.1\r\nhost: {parts.netloc}\r\n{lines}".encode()
        self._idle: list[_Wire] = []

    async def _wire(self) -> _Wire:
        if self._idle:
            return self._idle.pop()
        _transport, wire = await asyncio.get_running_loop().create_connection(_Wire, self._host, self._port)
        return wire

    def _request(self, body: bytes) -> bytes:
        return self._head + b"content-length: %d\r\n\r\n" % len(body) + body


class _Pull(_Bare):
    """Pieces go through an ``asyncio.Queue`` to the task that asked: what an async iterator costs."""

    async def ask(self, body: bytes) -> int:
        wire = await self._wire()
        arrived: asyncio.Queue[bytes | None] = asyncio.Queue()
        wire.send(self._request(body), arrived.put_nowait)
        pieces = 0
        while await arrived.get() is not None:
            pieces += 1
        self._idle.append(wire)
        return pieces


class _Push(_Bare):
    """Pieces are handed on in the read callback; the task that asked wakes once, at the end."""

    async def ask(self, body: bytes) -> int:
        wire = await self._wire()
        ended = asyncio.get_running_loop().create_future()
        pieces = 0

        def on_piece(piece: bytes | None) -> None:
            nonlocal pieces
            if piece is None:
                ended.set_result(None)
            else:
                pieces += 1

        wire.send(self._request(body), on_piece)
        await ended
        self._idle.append(wire)
        return pieces


@asynccontextmanager
async def by_pull(url: str) -> AsyncIterator[Client]:
    """The floor with an async iterator."""
    yield _Pull(url)


@asynccontextmanager
async def by_push(url: str) -> AsyncIterator[Client]:
    """The floor with callbacks."""
    yield _Push(url)


class _Own:
    """The gateway's own client, its deadlines and its pool of connections included."""

    def __init__(self, url: str) -> None:
        self._origin = Origin(url, connect_seconds=2)

    async def ask(self, body: bytes) -> int:
        connection = await self._origin.connection()
        connection.send(self._origin.head(b"POST", PATH.encode(), len(body), HEADERS["x-request-id"].encode()), body)
        connection.expect("first_token", 60)
        await connection.head()
        pieces = 0
        while await connection.read():
            pieces += 1
            connection.expect("between_tokens", 60)
        self._origin.release(connection)
        return pieces


@asynccontextmanager
async def by_own(url: str) -> AsyncIterator[Client]:
    """``router/backends/http1.py``."""
    yield _Own(url)


CLIENTS: Final[dict[str, Callable[[str], AbstractAsyncContextManager[Client]]]] = {
    "httpx": by_httpx,
    "httpx2": by_httpx2,
    "aiohttp": by_aiohttp,
    "own": by_own,
    "bare_pull": by_pull,
    "bare_push": by_push,
}


async def cost(client: str, url: str, body: bytes, at_once: int, seconds: float) -> dict[str, float]:
    """Ask for so long, ``at_once`` requests at any moment: requests a second, CPU time and pieces per request."""
    answered = pieces = 0
    async with CLIENTS[client](url) as asker:
        begin, cpu = time.perf_counter(), time.process_time()

        async def ask_on() -> None:
            nonlocal answered, pieces
            while time.perf_counter() - begin < seconds:
                found = await asker.ask(body)
                answered, pieces = answered + 1, pieces + found

        await asyncio.gather(*(ask_on() for _ in range(at_once)))
        took, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return {"per_s": answered / took, "cpu_us": cpu / answered * 1e6, "pieces": pieces / answered}


def main() -> None:
    """Run one client on the body from stdin and print one JSON object."""
    parser = argparse.ArgumentParser(description="what one HTTP client costs")
    parser.add_argument("--client", choices=CLIENTS, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--at-once", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    print(json.dumps(uvloop.run(cost(asked.client, asked.url, sys.stdin.buffer.read(), asked.at_once, asked.seconds))))


if __name__ == "__main__":
    main()
