"""Where a target listens, and the connections kept open to it: not for ever, for an address may have many replicas.

Neighbour: :mod:`router.backends.http1` is one such connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from router.backends.errors import ConnectError
from router.backends.http1 import Connection

_PORTS = {"http": 80, "https": 443}
_REUSE_S = 30.0
"""``limits.reuse_seconds`` where nobody says otherwise."""

_KEEP_ALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 25_000}
"""A machine that vanishes says nothing: after 25 s of silence from the other side's kernel,
what is under way fails, instead of after ``deadlines.total``. Names as in Linux' tcp(7); other systems lack some."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed base URL: ``http://host:port/prefix``."""

    host: str
    port: int
    prefix: str
    tls: bool

    @classmethod
    def parse(cls, url: str) -> Address:
        """Split a base URL; its path, without a trailing slash, comes before ``/v1``."""
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
        return cls(parts.hostname or "", port, parts.path.rstrip("/"), parts.scheme == "https")

    @property
    def authority(self) -> str:
        """Host and port as the ``host`` header has them: IPv6 in brackets, the scheme's own port left out."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS["https" if self.tls else "http"] else f"{host}:{self.port}"


class Origin:
    """Opens and keeps connections to one address; the most recently used is taken first."""

    def __init__(
        self, url: str, connect_seconds: float, api_key: str = "", reuse_seconds: float = _REUSE_S, more: str = ""
    ) -> None:
        """``api_key`` goes into every request's ``authorization`` header; it is never logged. ``more`` are lines."""
        self._address = Address.parse(url)
        self._connect_seconds, self._reuse_seconds = connect_seconds, reuse_seconds
        self._idle: list[Connection] = []
        self._closed = False
        self._tls = ssl.create_default_context() if self._address.tls else None
        key = f"authorization: Bearer {api_key.strip()}\r\n" if api_key.strip() else ""
        self._common = f"host: {self._address.authority}\r\n{key}{more}accept: */*\r\n".encode()
        self._prefix = self._address.prefix.encode()

    @property
    def host(self) -> str:
        """Whom the address names."""
        return self._address.host

    def head(self, method: bytes, path: bytes, length: int, request_id: bytes = b"") -> bytes:
        """The bytes of a request's head; ``request_id`` is the gateway's own, never the caller's."""
        line = b"%b %b%b HTTP/1.1\r\n" % (method, self._prefix, path)
        ours = b"content-type: application/json\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n" % (
            request_id,
            length,
        )
        return line + self._common + ours

    async def connection(self) -> Connection:
        """A connection that is free: a kept one that is not too old, or a new one.

        Raises:
            ConnectError: none stood within ``deadlines.connect``.

        """
        oldest = asyncio.get_running_loop().time() - self._reuse_seconds
        while self._idle:
            kept = self._idle.pop()
            if not kept.closed and kept.opened > oldest:
                return kept
            kept.close()
        return await self._open()

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        address = self._address
        try:
            async with asyncio.timeout(self._connect_seconds):
                transport, opened = await loop.create_connection(
                    lambda: Connection(loop),
                    address.host,
                    address.port,
                    ssl=self._tls,
                )
        except (OSError, TimeoutError) as exc:
            msg = f"cannot connect to {address.host}:{address.port}: {exc or 'timed out'}"
            raise ConnectError(msg) from exc
        _notice_silence(transport.get_extra_info("socket"))
        return opened

    def release(self, connection: Connection) -> None:
        """Keep a connection for the next exchange, or close it where there is none or its own did not end cleanly."""
        if connection.reusable and not self._closed:
            self._idle.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the kept connections, and from now on those that are given back."""
        self._closed = True
        for kept in self._idle:
            kept.close()
        self._idle.clear()


def _notice_silence(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
