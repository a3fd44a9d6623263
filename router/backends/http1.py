"""One HTTP/1.1 connection to an engine, made for relaying: bytes out as they come in, every wait under a deadline.

A client library costs more per request than all the rest of the gateway (benchmarks/http_clients.py has the ratios),
so this speaks to asyncio's transport itself; the parsing is httptools', as in uvicorn. It knows what a gateway needs
(a body known in full, responses read as bytes arrive, closing as the way to cancel) and nothing else.

Neighbour: :mod:`router.backends.origin` keeps connections and opens new ones.
"""

from __future__ import annotations

import asyncio

import httptools

from router.backends.errors import CutError, DeadlineError, StaleError, UpstreamError

_INTERIM = (100, *range(102, 200))
"""Statuses that announce another response."""
HIGH_WATER = 1 << 20
"""Bytes read ahead of a slow client before the engine is made to wait."""


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time: ``send``, then ``head``, then ``read`` until empty."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Not connected yet; the loop calls :meth:`connection_made`."""
        self._loop = loop
        self._transport: asyncio.Transport = None  # type: ignore[assignment] # set before anyone can use it
        self._parser = httptools.HttpResponseParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._which: tuple[str, float] = ("", 0.0)
        self._writable = True
        self.exchanges = 0
        self.opened = loop.time()
        """When, by the loop's clock."""
        self.closed = False
        self._begin()

    def _begin(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._heard = False
        self._complete = False
        self._keep_alive = False
        self._error: UpstreamError | None = None
        self.status = 0
        self.content_type = b""
        self.retry_after: int | None = None

    # -- what the gateway calls -------------------------------------------------------------------------------------

    def send(self, head: bytes, body: bytes) -> None:
        """Begin an exchange: ``head`` ends with an empty line, ``body`` has the length that it announces."""
        self._begin()
        self.exchanges += 1
        self._transport.writelines((head, body))

    def expect(self, which: str, seconds: float) -> None:
        """From now on, the next bytes must come within ``seconds``; ``which`` names the deadline in the error.

        A deadline that passed while nobody was reading (the client was slow) was not the engine's fault.
        """
        if isinstance(self._error, DeadlineError):
            self._error = None
        self._deadline = self._loop.time() + seconds
        self._which = (which, seconds)
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._on_timer)

    async def head(self) -> None:
        """Wait for status and headers.

        Raises:
            UpstreamError: the connection broke, or the deadline passed.

        """
        while not self._heard:
            if self._error is not None:
                raise self._error
            await self._wait()

    async def read(self) -> bytes:
        """What has arrived of the body since the last call; empty at its end.

        Raises:
            UpstreamError: the connection broke, or the deadline passed; what came before was given out.

        """
        while not self._chunks:
            if self._complete:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        if self._size > HIGH_WATER:
            self._transport.resume_reading()
        self._size = 0
        return data

    async def read_all(self, limit: int) -> bytes:
        """The whole body, of at most ``limit`` bytes.

        Raises:
            UpstreamError: the connection broke, the deadline passed, or the body is longer.

        """
        pieces: list[bytes] = []
        size = 0
        while piece := await self.read():
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                msg = f"the answer is longer than {limit} bytes"
                raise CutError(msg)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    @property
    def reusable(self) -> bool:
        """Whether another exchange may follow."""
        return self._complete and self._keep_alive and not self.closed

    def close(self) -> None:
        """Drop the connection at once; an engine that is still generating takes it as a cancellation."""
        self._untimed()
        if not self.closed:
            self.closed = True
            self._transport.abort()

    # -- what the event loop and the parser call --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment] # a stream transport, by create_connection

    def data_received(self, data: bytes) -> None:
        """Parse, then wake the reader once; what comes over a kept connection unasked makes it unusable."""
        if self._complete:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._fail(CutError(f"malformed response: {exc}"))
            self.close()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whatever was waited for will not come."""
        self.closed = True
        self._untimed()
        if self.exchanges and not self._complete:
            fresh = self._heard or self.exchanges == 1
            kind = CutError if fresh else StaleError
            self._fail(kind(f"connection lost: {exc}" if exc else "connection closed before the answer ended"))
        self._wake()

    def on_message_begin(self) -> None:
        """A second answer where there was one request belongs to nobody, least of all to the next request."""
        if self._complete:
            msg = "more than one answer"
            raise CutError(msg)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the two headers that matter to us."""
        lower = name.lower()
        if lower == b"content-type":
            self.content_type = value
        elif lower == b"retry-after" and value.isdigit():
            self.retry_after = int(value[:9])

    def on_headers_complete(self) -> None:
        """Status and headers are there; an interim response is not the answer."""
        self.status = self._parser.get_status_code()
        self._heard = self.status not in _INTERIM

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body; stop reading when nobody takes them."""
        self._chunks.append(body)
        before, self._size = self._size, self._size + len(body)
        if before <= HIGH_WATER < self._size:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer ended as its framing promised."""
        if self.status in _INTERIM:
            return
        self._complete = True
        self._keep_alive = self._parser.should_keep_alive()

    def _fail(self, error: UpstreamError) -> None:
        if self._error is None:
            self._error = error

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _untimed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        """Fail if the deadline has really passed; it moves on with every piece and exchange, the timer only follows."""
        self._timer = None
        if self._complete:  # nothing is waited for; the next exchange sets another one
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._on_timer)
            return
        self._fail(DeadlineError(*self._which))
        self._wake()
