"""One model as the gateway sees it: its address, its slots, its health.

Neighbours: :mod:`router.backends.origin` (connections), :mod:`router.backends.slots` (how many at once),
:mod:`router.backends.breaker` (whether to try).
"""

from __future__ import annotations

import os
import time
from typing import cast

import orjson

from cluster.spec import Gateway, Model
from router.backends.breaker import Breaker
from router.backends.contract import Audit, Exchange
from router.backends.errors import StaleError, StatusError, UpstreamError
from router.backends.http1 import Connection
from router.backends.origin import Origin
from router.backends.slots import Slots
from router.decide.facts import Load
from router.wire.parse import Request

_OK = 200
_ANSWERS = frozenset({_OK, 400, 413, 415, 422})
"""Success, and what an engine refuses for the caller's sake; all else (a 401, a 404, a 5xx) is its failure."""
_TOO_MANY = 429
_NOT_FOUND = 404
_LOST_S = 30.0
"""How long an adapter that the engine does not know is left alone."""
_PROBE_SECONDS = 2.0
_LONGEST_ANSWER = 256 << 20


class Target:
    """A model of the fleet and how to reach it."""

    def __init__(self, name: str, model: Model, base_url: str, gateway: Gateway, more: str = "") -> None:
        """``base_url`` comes before ``/v1``; ``more`` are header lines of every request."""
        limits = gateway.limits
        self.name, self.model = name, model
        self.served_as = model.served_as or name
        self.slots = Slots(limits.in_flight, limits.queue, limits.queue_seconds)
        self.breaker = Breaker(time.monotonic)
        self.answered_at = 0.0
        """When it last answered anything, in monotonic seconds."""
        self._lost: dict[str, float] = {}
        """Adapters that the engine does not know, and since when."""
        self._deadlines = gateway.deadlines
        key = os.environ.get(model.api_key_env, "") if model.api_key_env else ""
        self._origin = Origin(base_url, gateway.deadlines.connect, key, limits.reuse_seconds, more)

    @property
    def site(self) -> str:
        """The host that it is reached at."""
        return self._origin.host

    def load(self) -> Load:
        """What the policy may know about the target right now."""
        slots = self.slots
        return Load(
            slots.in_flight,
            slots.waiting,
            self.breaker.available,
            slots.forecast.ttft_s(slots.waiting, free=slots.free),
        )

    async def ask(
        self, path: bytes, request: Request, request_id: bytes, audit: Audit | None = None
    ) -> tuple[Exchange, bytes]:
        """Send a request; give back the connection and what came first: a stream's first bytes, or the whole answer.

        Where ``request`` names one of the model's adapters, that is asked for, and the model itself where the engine
        does not know it; afterwards ``model`` in it says which.
        The caller holds a slot, and gives the connection to :meth:`release` once done with it.

        Raises:
            UpstreamError: nothing usable came; nothing was kept open.

        """
        adapter = self._adapter(request)
        request["model"] = adapter or self.served_as
        try:
            return await self._asked(path, request, request_id, audit)
        except StatusError as exc:
            if not adapter or exc.status != _NOT_FOUND:
                raise
        self._lost[adapter] = time.monotonic()
        request["model"] = self.served_as
        return await self._asked(path, request, request_id, audit)

    def _adapter(self, request: Request) -> str:
        """The LoRA adapter that a named route wants, unless the engine said lately that it has none by that name."""
        name: str = request.get("model", "")
        known = name in self.model.adapters
        return name if known and time.monotonic() - self._lost.get(name, -_LOST_S) >= _LOST_S else ""

    async def _asked(
        self, path: bytes, request: Request, request_id: bytes, audit: Audit | None
    ) -> tuple[Exchange, bytes]:
        body = orjson.dumps(request)
        head = self._origin.head(b"POST", path, len(body), request_id)
        if audit is not None:
            await audit(len(body))
        streams = bool(request.get("stream"))
        self.breaker.trying()
        began = time.monotonic()
        try:
            try:
                connection, first = await self._exchange(head, body, streams=streams)
            except StaleError:
                if audit is not None:
                    await audit(len(body))
                connection, first = await self._exchange(head, body, streams=streams)
        except UpstreamError as exc:
            if not (isinstance(exc, StatusError) and exc.status == _TOO_MANY):
                self.breaker.failed()
            raise
        self.breaker.succeeded()
        self.answered_at = time.monotonic()
        if streams:
            self.slots.forecast.heard(self.answered_at - began)
        return connection, first

    async def _exchange(self, head: bytes, body: bytes, *, streams: bool) -> tuple[Connection, bytes]:
        connection = await self._origin.connection()
        usable = False
        try:
            connection.send(head, body)
            if streams:
                connection.expect("first_token", self._deadlines.first_token)
            else:
                connection.expect("total", self._deadlines.total)
            await connection.head()
            if connection.status not in _ANSWERS:
                raise StatusError(connection.status, connection.retry_after)
            is_stream = streams and connection.status == _OK
            first = await (connection.read() if is_stream else connection.read_all(_LONGEST_ANSWER))
            usable = True
        finally:
            if not usable:
                connection.close()
        return connection, first

    def release(self, exchange: Exchange) -> None:
        """Give a connection back; one whose answer has not ended is closed, which cancels the request there."""
        self._origin.release(cast("Connection", exchange))

    async def count_tokens(self, part: Request) -> int | None:
        """Prompt tokens as the engine's own tokenizer and chat template count them; None where it cannot say.

        Nothing is scheduled on the engine for it.
        """
        answer = await self._small(b"POST", b"/tokenize", orjson.dumps({"model": self.served_as, **part}))
        count = answer.get("count") if isinstance(answer, dict) else None
        return count if isinstance(count, int) else None

    async def answers(self) -> bool:
        """Whether the target lists its models, within two seconds; one that may sleep is not woken to be asked."""
        if self.model.may_sleep:
            return self.breaker.available
        return await self._small(b"GET", b"/v1/models", b"") is not None

    async def figures(self) -> bytes:
        """An engine's metrics in Prometheus' text, of one replica; empty where there are none, or a model may sleep."""
        if not self.model.runs_here or self.model.may_sleep:
            return b""
        return await self._short(b"GET", b"/metrics", b"")

    async def _small(self, method: bytes, path: bytes, body: bytes) -> object:
        """One short JSON exchange; None when it fails in whatever way."""
        try:
            return orjson.loads(await self._short(method, path, body))
        except orjson.JSONDecodeError:
            return None

    async def _short(self, method: bytes, path: bytes, body: bytes) -> bytes:
        """One short exchange; empty when it fails in whatever way."""
        try:
            try:
                return await self._exchanged(method, path, body)
            except StaleError:
                return await self._exchanged(method, path, body)
        except UpstreamError:
            return b""

    async def _exchanged(self, method: bytes, path: bytes, body: bytes) -> bytes:
        connection = await self._origin.connection()
        try:
            connection.send(self._origin.head(method, path, len(body)), body)
            connection.expect("first_token", _PROBE_SECONDS)
            await connection.head()
            answer = await connection.read_all(_LONGEST_ANSWER)
            return answer if connection.status == _OK else b""
        finally:
            self._origin.release(connection)

    async def close(self) -> None:
        """Close what is kept open."""
        self._origin.close()
