"""uvicorn, and what a public port needs besides: slow and oversized clients are cut, shutting down loses no request.

* The header must be complete within ``deadlines.client`` seconds and ``HEADER_BYTES``; the body's deadline is the
  gateway's, which can still answer. At most ``limits.connections`` are open.
* A request learns at once that its client has gone, through ``scope["extensions"]["freehold.gone"]``.
* After SIGTERM a kept-alive connection that is idle stays open for ``LINGER_S`` more: a request that is on its way
  while we decide to close is answered, with ``connection: close``, instead of being reset.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEADER_BYTES = 64 << 10
LINGER_S = 1.0
_PIPELINED = 16
"""Requests sent ahead that are taken in while one is answered."""
_CONTINUE = b"HTTP/1.1 100 "
_HOST = re.compile(rb"[\w.:\[\]%~-]*", re.ASCII)

Gone = Callable[[], None]


class _OneWrite:
    """A response's transport: its head waits for its first piece, so that both leave in one system call."""

    __slots__ = ("_head", "_transport", "close", "is_closing")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""
        self.close, self.is_closing = transport.close, transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head is None or data.startswith(_CONTINUE):
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


class _Parser(httptools.HttpRequestParser):
    """Passes over the offer of another protocol, which would swallow the body; Java's client makes one by default."""

    def __init__(self, protocol: Protocol) -> None:
        super().__init__(protocol)
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._protocol = protocol

    def feed_data(self, data: bytes) -> None:  # type: ignore[override] # asyncio gives nothing but bytes
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self.feed_data(self._protocol.without_offer() + data[offer.args[0] :])


class Protocol(HttpToolsProtocol):
    """One client connection."""

    _header_timer: asyncio.TimerHandle | None = None
    _stuck_timer: asyncio.TimerHandle | None = None
    _useless = 0
    """Bytes received since there was last a piece of a body, or the end of a header or a request."""
    _between = True
    """No request has begun that has not come in whole."""
    _running: RequestResponseCycle | None = None
    """The request that is being answered; later ones wait in ``pipeline``."""
    _gone: Gone | None = None
    _drain: Gone | None = None
    """Told when the server begins to end, by an answer that would go on for ever."""
    _lingering = False

    @property
    def _door(self) -> Door:
        door: Door = self.app_state["door"]
        return door

    # -- what the event loop calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse what is over the limit, start the header's clock."""
        super().connection_made(transport)
        self.parser = _Parser(self)
        if len(self.connections) > self._door.most_connections:
            self._cut(b"503 Service Unavailable")
        else:
            self._await_header()

    def data_received(self, data: bytes) -> None:
        """Bound what comes in, in bytes and in time, while it is of no use."""
        self._useless += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._useless > HEADER_BYTES:
            self._cut(b"431 Request Header Fields Too Large")
        elif not self._between and self._running is None and self._header_timer is None:
            self._await_header()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the request under way."""
        self._header_done()
        self._stuck_done()
        super().connection_lost(exc)
        if self._running is not None:
            self._running.disconnected = True
        if self._gone is not None:
            self._gone()
            self._gone = None

    def pause_writing(self) -> None:
        """The client does not take its answer; it has as long as for sending a header."""
        super().pause_writing()
        self._stuck_timer = self.loop.call_later(self._door.client_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._stuck_done()

    # -- what the parser calls --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The header is in; hand the request a way to learn that its client has gone."""
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                msg = "this is no proxy"
                raise ValueError(msg)
            return
        self._header_done()
        self._check_header()
        self._useless = 0
        watches = {"freehold.gone": self._watch, "freehold.drain": self._watch_drain}
        self.scope["extensions"] = watches  # type: ignore[typeddict-item]
        super().on_headers_complete()
        if self._running is None:
            self._running = self.cycle
        if self.scope["method"] != "HEAD":  # whose answer is a head without any piece
            self.cycle.transport = _OneWrite(self.transport)  # type: ignore[assignment] # has what a cycle uses
        if self._lingering:
            self.cycle.keep_alive = False

    def without_offer(self) -> bytes:
        """The header again, without the offer of another protocol."""
        line = (
            self.parser.get_method() + b" " + self.url + b" HTTP/" + self.parser.get_http_version().encode() + b"\r\n"
        )
        fields = (name + b": " + value + b"\r\n" for name, value in self.headers if name != b"upgrade")
        return line + b"".join(fields) + b"\r\n"

    def _check_header(self) -> None:
        """Raising makes it a 400: one that came at once and is too large, or does not name one host."""
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() != "1.0"):
            msg = "not one host"
            raise ValueError(msg)
        if hosts and not _HOST.fullmatch(hosts[0]):
            msg = "no host is named like this"
            raise ValueError(msg)
        if self._useless > HEADER_BYTES and sum(len(name) + len(value) for name, value in self.headers) > HEADER_BYTES:
            msg = "too large"
            raise ValueError(msg)

    def on_body(self, body: bytes) -> None:
        """A piece of a body; the gateway bounds those."""
        self._useless = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is in; go on reading, for that is how we learn that the client has gone."""
        if self.parser.should_upgrade():
            return
        self._useless = 0
        self._between = True
        self._header_done()
        super().on_message_complete()
        if len(self.pipeline) < _PIPELINED:
            self.flow.resume_reading()
        if self._running is None:
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """An answer is out; the next request may run."""
        self._gone = self._drain = None
        self._running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self._lingering and self._running is None:
            self.loop.call_later(LINGER_S, self._close_idle)

    def send_400_response(self, msg: str) -> None:
        """Say so once."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    # -- shutting down ----------------------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """Let requests that are on their way in; close once idle. An answer whose head is out cannot announce it."""
        self._lingering = True
        if self._drain is not None:
            self._drain()
        if self._running is None:
            self.loop.call_later(LINGER_S, self._close_idle)
        elif not self.cycle.response_started:
            self.cycle.keep_alive = False

    def _close_idle(self) -> None:
        if self._running is None and not self.transport.is_closing():
            self.transport.close()

    # -- clocks -----------------------------------------------------------------------------------------------------

    def _watch(self, gone: Gone) -> None:
        self._gone = gone

    def _watch_drain(self, drain: Gone) -> None:
        self._drain = drain
        if self._lingering:
            drain()

    def _await_header(self) -> None:
        self._header_timer = self.loop.call_later(self._door.client_seconds, self._cut, b"408 Request Timeout")

    def _header_done(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _stuck_done(self) -> None:
        if self._stuck_timer is not None:
            self._stuck_timer.cancel()
            self._stuck_timer = None

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
