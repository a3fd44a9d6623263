"""HTTP/1.1 for a simulated engine, on asyncio's transport: what a token costs is one ``write``, without any task.

The parsing is httptools'. A client that closes its connection aborts its request. Not covered: pipelining (a second
request before the first one's answer closes the connection), HTTP/2, TLS. Neighbour: :mod:`serving.simulated.asgi`.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final, cast

import httptools

from serving.simulated.api import Api, Leave

_LONGEST: Final = 64 << 20
"""Bytes of a body; the gateway sends less."""
_TOO_LONG: Final = b'{"error":{"message":"too long","type":"BadRequestError","param":null,"code":413}}'


class Connection(asyncio.Protocol):
    """A client; also the :class:`~serving.simulated.answers.Reply` to its request."""

    def __init__(self, api: Api, others: set[Connection]) -> None:
        """Share ``api`` with all ``others`` that are open."""
        self._api, self._others = api, others
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""
        self._busy = self._last = False
        self._leave: Leave | None = None
        self.lost = asyncio.Event()
        """Set once the connection is closed, by whomever."""

    # -- what the event loop calls ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = cast("asyncio.Transport", transport)
        self._others.add(self)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the ``on_…`` methods."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Nobody waits for an answer any more."""
        self._others.discard(self)
        self.lost.set()
        self._busy = False
        if self._leave is not None:
            self._leave()
            self._leave = None

    def cut(self) -> None:
        """End it now, whatever is under way."""
        self._transport.abort()

    def finish(self) -> None:
        """End it with the answer under way, or now."""
        self._last = True
        if not self._busy:
            self._transport.close()

    # -- what the parser calls --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._busy:
            self._transport.abort()
        self._url, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        """Its target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of its headers only this one matters."""
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        self._body += body
        if len(self._body) > _LONGEST:
            self._busy = True
            self.whole(413, b"application/json", _TOO_LONG)
            self._transport.close()

    def on_message_complete(self) -> None:
        """It is in: answer it."""
        if self._transport.is_closing():
            return
        self._busy = True
        path = self._url.partition(b"?")[0].decode(errors="replace")
        leave = self._api.serve(self._parser.get_method().decode(), path, self._body, self)
        self._leave = leave if self._busy else None
        self._body = b""

    # -- what an answer calls ---------------------------------------------------------------------------------------

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        """Answer in one piece."""
        self._send(
            b"HTTP/1.1 %d %b\r\ncontent-length: %d\r\ncontent-type: %b\r\n\r\n%b"
            % (status, HTTPStatus(status).phrase.encode(), len(body), content_type, body)
        )
        self._done()

    def begin(self, content_type: bytes) -> None:
        """Begin a stream."""
        self._send(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n" % content_type)

    def write(self, data: bytes) -> None:
        """Go on with it; an empty chunk would be its end."""
        if data:
            self._send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self) -> None:
        """End it."""
        self._send(b"0\r\n\r\n")
        self._done()

    def _send(self, data: bytes) -> None:
        if self._busy and not self._transport.is_closing():
            self._transport.write(data)

    def _done(self) -> None:
        self._busy = False
        self._leave = None
        if self._last or not self._parser.should_keep_alive():
            self._transport.close()
