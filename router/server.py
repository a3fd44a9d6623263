"""uvicorn, and what a public port needs besides: slow and oversized clients are cut, shutting down loses no request.

* The header must be complete within ``deadlines.client`` seconds and ``HEADER_BYTES``; the body's deadline is the
  gateway's, which can still answer. At most ``limits.connections`` are open.
* A request learns at once that its client has gone, through ``scope["extensions"]["freehold.gone"]``.
* After SIGTERM a kept-alive connection that is idle stays open for ``LINGER_S`` more: a request that is on its way
  while we decide to close is answered, with ``connection: close``, instead of being reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_BYTES = 64 << 10
LINGER_S = 1.0

Gone = Callable[[], None]


class _OneWrite:
    """A response's transport: its head waits for its first piece, so that both leave in one system call."""

    __slots__ = ("_head", "_transport", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""
        self.close, self.is_closing = transport.close, transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head is None:
            self._transport.write(data)
        elif self._head:
            self._transport.writelines((self._head, data))
            self._head = None
        else:
            self._head = data


@dataclass(frozen=True, slots=True)
class Door:
    """Whom the port lets in; the application's lifespan state carries it, under ``door``."""

    client_seconds: float
    most_connections: int


class Protocol(HttpToolsProtocol):
    """One client connection."""

    _header_timer: asyncio.TimerHandle | None = None
    _header_bytes = 0
    _in_header = True
    _gone: Gone | None = None
    _lingering = False

    @property
    def _door(self) -> Door:
        door: Door = self.app_state["door"]
        return door

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse what is over the limit, start the header's clock."""
        super().connection_made(transport)
        if len(self.connections) > self._door.most_connections:
            self._cut(b"503 Service Unavailable")
        else:
            self._await_header()

    def data_received(self, data: bytes) -> None:
        """Bound the header while it comes in."""
        self._header_bytes += len(data)
        self._in_header = True
        super().data_received(data)
        if not self._in_header or self.transport.is_closing():
            return
        if self._header_bytes > HEADER_BYTES:
            self._cut(b"431 Request Header Fields Too Large")
        elif self._header_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._await_header()

    def on_headers_complete(self) -> None:
        """The header is in; hand the request a way to learn that its client has gone."""
        self._header_done()
        self._gone = None
        self._in_header = False
        self._header_bytes = 0
        self.scope["extensions"] = {"freehold.gone": self._watch}  # type: ignore[dict-item]
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # whose answer is a head without any piece
            self.cycle.transport = _OneWrite(self.transport)  # type: ignore[assignment] # has what a cycle uses
        if self._lingering:
            self.cycle.keep_alive = False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request under way."""
        self._header_done()
        super().connection_lost(exc)
        if self._gone is not None and not self.cycle.response_complete:
            self._gone()
        self._gone = None

    def shutdown(self) -> None:
        """Let a request that is on its way in; close once idle."""
        self._lingering = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER_S, self._close_idle)

    def _close_idle(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()

    def _watch(self, gone: Gone) -> None:
        self._gone = gone

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(self._door.client_seconds, self._cut, b"408 Request Timeout")

    def _header_done(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _cut(self, status: bytes) -> None:
        self._header_done()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()


def config(app: Any, drain_seconds: float, **where: Any) -> uvicorn.Config:  # noqa: ANN401 - uvicorn's own arguments
    """How uvicorn runs the gateway; ``where`` is host, port, workers and the like."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=round(drain_seconds),
        backlog=4096,
        **where,
    )
