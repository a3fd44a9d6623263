"""One request on its way through the gateway: its client, its identity, and what will be told of it.

Neighbour: :mod:`router.gateway` leads it through its stations.
"""

from __future__ import annotations

import asyncio
import secrets
import time

from starlette.types import Receive, Scope, Send

from router.decide.facts import Decision
from router.desk import OPEN_TAB
from router.observe.events import Finished
from router.trial import Trial
from router.wire.endpoints import Endpoint
from router.wire.errors import Refusal, error_body

Headers = list[tuple[bytes, bytes]]


_FIGURES = (
    b"x-freehold-score",
    b"x-freehold-expected-quality",
    b"x-freehold-expected-cost-usd",
    b"x-freehold-predicted-ttft-s",
)
"""What is known of a decision."""
_ADAPTER = b"x-freehold-adapter"


class _Ids:
    """Random names of requests; randomness is fetched for many at once, for each fetch is a system call."""

    def __init__(self) -> None:
        self._left: list[str] = []

    def next(self) -> str:
        """96 bits in hexadecimal, never the same again."""
        if not self._left:
            drawn = secrets.token_hex(_ID_BYTES * _IDS_AT_ONCE)
            size = 2 * _ID_BYTES
            self._left = [drawn[at : at + size] for at in range(0, len(drawn), size)]
        return self._left.pop()


_ID_BYTES = 12
_IDS_AT_ONCE = 256
_IDS = _Ids()


class ClientLeftError(Exception):
    """The client closed its connection before its request was complete."""


class Call:
    """The client's side of one request."""

    def __init__(self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send) -> None:
        """Give it an id of our own: a caller's would let it name another's request."""
        self.endpoint = endpoint
        self.request_id = f"req_{_IDS.next()}"
        self.event = Finished(self.request_id, endpoint.kind.value, time.monotonic())
        self.left = False
        """The client has closed its connection."""
        self.expired = ""
        """The field of ``gateway.deadlines`` that has passed, ``client`` or ``total``; empty for none."""
        self.started = False
        """The client has seen the answer's status."""
        self.tab = OPEN_TAB
        self.limits: Headers = []
        """Headers about what is left to the caller, and about its trial."""
        self.trial: Trial | None = None
        """Of the first attempt; None where there is none, or once it is over."""
        self.headers: Headers = scope["headers"]
        """Of the request."""
        self._receive, self._send = receive, send
        self._headers: Headers = [(b"x-request-id", self.request_id.encode())]
        self._task = asyncio.current_task()
        scope["extensions"]["freehold.gone"](self._on_left)

    def came(self, request_id: str) -> None:
        """It was sent by another site, whose name for it goes before ours: so the two ledgers can be joined.

        Ours stays in it, for it has to be one that nobody else can give.
        """
        self.request_id = f"{request_id}.{self.request_id.removeprefix('req_')}"
        self.event.request_id = self.request_id
        self._headers[0] = (b"x-request-id", self.request_id.encode())

    def _on_left(self) -> None:
        """Stop whatever is waited for; that closes the engine's connection, which cancels the request there."""
        self.left = True
        self._stop()

    def expire(self, which: str) -> None:
        """Stop because a deadline of the fleet file has passed."""
        self.expired = which
        self._stop()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def body(self, limit: int) -> bytes:
        """Read the request's body, within its limit.

        Raises:
            Refusal: 413 when it is too large, 415 when it is encoded.
            ClientLeftError: it never came whole.

        """
        for name, value in self.headers:
            if name == b"content-length" and int(value) > limit:
                raise _too_large(limit)
            if name == b"content-encoding" and value.lower() != b"identity":
                msg = "Send the body as it is: content-encoding is not supported."
                raise Refusal(415, msg, code="unsupported_encoding", close=True)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        while message["type"] == "http.request" and message.get("more_body") and len(body) <= limit:
            message = await self._receive()
            body += message.get("body", b"")
        if message["type"] != "http.request":
            raise ClientLeftError
        if len(body) > limit:
            raise _too_large(limit)
        return body

    def decided(self, decision: Decision) -> None:
        """Tell the client, and the event, who answers."""
        event = self.event
        event.model, event.tier, event.reason = decision.model, decision.tier, decision.reason.value
        event.adapter = ""
        self._headers[1:] = [
            (b"x-freehold-model", event.model.encode()),
            (b"x-freehold-tier", event.tier.encode()),
            (b"x-freehold-reason", event.reason.encode()),
        ]
        known = (decision.score, decision.quality, decision.cost_usd, decision.ttft_s)
        self._headers += [(name, b"%.4g" % one) for name, one in zip(_FIGURES, known, strict=True) if one is not None]

    def adapted(self, adapter: str) -> None:
        """Tell of the adapter that the model answers with."""
        self.event.adapter = adapter
        told = [header for header in self._headers if header[0] != _ADAPTER]
        self._headers = [*told, (_ADAPTER, adapter.encode())] if adapter else told

    async def start(self, status: int, headers: Headers) -> None:
        """Send status and headers."""
        self.started = True
        self.event.status = status
        told = self._headers + self.limits + headers
        await self._send({"type": "http.response.start", "status": status, "headers": told})

    async def piece(self, data: bytes) -> None:
        """Send a piece of a body that goes on."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        """Send the last piece."""
        self.event.last_byte = time.monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def settle(self) -> None:
        """Close the account of the request; see :meth:`router.desk.Tab.settle`."""
        self.event.last_byte = time.monotonic()
        await self.tab.settle(self.event)

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send an answer at once."""
        await self.start(status, [*headers, (b"content-length", str(len(body)).encode())])
        await self.end(body)

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with an error in the endpoint's shape."""
        self.event.outcome = self.event.outcome or "refused"
        self.event.error = refusal.code or str(refusal.status)
        await self.whole(refusal.status, refusal.headers, error_body(refusal, self.endpoint.dialect))


def _too_large(limit: int) -> Refusal:
    msg = f"The body is larger than gateway.limits.body_bytes, {limit} bytes."
    return Refusal(413, msg, code="request_too_large", close=True)
