"""A client made of a bare socket, so that a test decides about every byte and every pause."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any, Self

from tests.router.engine import soon


@dataclass
class Response:
    """What came back."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    whole: bool = False
    """The body ended as its framing promised."""

    def header(self, name: str) -> str:
        """A header that is there once; empty where it is not."""
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, f"{name} is there {len(found)} times"
        return found[0] if found else ""

    @property
    def json(self) -> Any:  # noqa: ANN401 - whatever the gateway says
        """The body's JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error object; nothing else is beside it."""
        assert list(self.json) == ["error"], self.json
        error: dict[str, Any] = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        return error

    @property
    def events(self) -> list[str]:
        """The ``data:`` of every server-sent event, in order."""
        lines = self.body.decode().splitlines()
        return [line.removeprefix("data:").strip() for line in lines if line.startswith("data:")]


class Client:
    """One connection; ``async with Client(port)`` closes it."""

    def __init__(self, port: int) -> None:
        """Not connected yet."""
        self._port = port

    async def __aenter__(self) -> Self:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        self._writer.transport.abort()

    def leave(self, *, reset: bool = False) -> None:
        """Go away: close the connection, with FIN or with RST."""
        if reset:
            connection = self._writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def half_close(self) -> None:
        """Send FIN and go on reading."""
        self._writer.write_eof()

    def stop_reading(self) -> None:
        """Take nothing more from the connection, and keep it open."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)

    async def drained(self) -> None:
        """Wait until the peer, or the kernel, has taken most of what was sent."""
        await soon(self._writer.drain())

    def ask(
        self, path: str, body: object = b"", *, method: str = "POST", host: str = "gateway", **headers: str
    ) -> None:
        """A request; a body that is not bytes goes out as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(content)}\r\n{more}\r\n"
        self.send(head.encode() + content)

    async def head(self) -> Response:
        """Status and headers."""
        lines = (await soon(self._reader.readuntil(b"\r\n\r\n"))).decode("latin-1").split("\r\n")
        pairs = [line.partition(": ") for line in lines[1:] if line]
        return Response(int(lines[0].split(" ")[1]), [(name, value) for name, _, value in pairs])

    async def piece(self) -> bytes:
        """The next HTTP chunk; empty at the end.

        Raises:
            asyncio.IncompleteReadError: the connection ended first.

        """
        size = int(await soon(self._reader.readuntil(b"\r\n")), 16)
        return (await soon(self._reader.readexactly(size + 2)))[:-2]

    async def rest(self, response: Response) -> Response:
        """Read the body to its end."""
        try:
            if response.header("transfer-encoding") == "chunked":
                while piece := await self.piece():
                    response.body += piece
            else:
                response.body = await soon(self._reader.readexactly(int(response.header("content-length"))))
            response.whole = True
        except (asyncio.IncompleteReadError, ConnectionError):
            response.whole = False
        return response

    async def response(self) -> Response:
        """A whole response."""
        return await self.rest(await self.head())

    async def until_closed(self) -> bytes:
        """Whatever else comes, until the gateway closes the connection."""
        try:
            return await soon(self._reader.read())
        except ConnectionError:
            return b""


async def fetch(port: int, path: str, body: object = b"", *, method: str = "POST", **headers: str) -> Response:
    """One request on a connection of its own."""
    async with Client(port) as client:
        client.ask(path, body, method=method, **headers)
        return await client.response()
