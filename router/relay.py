"""From the first byte on: what a target answers, passed to the client as bytes, with an end that cannot be mistaken.

Neighbours: :mod:`router.gateway` found the target; :mod:`router.wire.stream` watches the tail of a stream.
"""

from __future__ import annotations

import asyncio
import time

import orjson

from cluster.spec import Deadlines
from router.accounts.kept import Answer
from router.backends.contract import Exchange
from router.backends.errors import CutError, UpstreamError
from router.call import Call, Headers
from router.decide.facts import Reason
from router.trial import HEADER, EscalatedError, Trial
from router.wire.assembled import completion_of
from router.wire.errors import Refusal, error_event
from router.wire.logprobs import without_logprobs
from router.wire.parse import Request
from router.wire.stream import StreamTail, gave_up
from router.wire.usage import usage_of

_OK = 200
_BAD_REQUEST = 400
_LAST_BYTES_S = 1.0


class Relay:
    """The relaying of one attempt."""

    def __init__(self, call: Call, request: Request, deadlines: Deadlines, trial: Trial | None = None) -> None:
        """Prepare the request for an engine; the caller's own is left as it is. ``trial``: see :mod:`router.trial`."""
        self._call, self._deadlines, self._trial = call, deadlines, trial
        self.path = call.endpoint.path.encode()
        self.streams = call.event.stream
        self.request = dict(request)
        options = request.get("stream_options") or {}
        self._withhold = call.endpoint.asks_usage and not options.get("include_usage")
        self._cuts = trial is not None and trial.withholds
        if trial is not None:
            self.request |= trial.fields()
        if self._withhold and (self.streams or trial is not None):
            self.request["stream_options"] = {**options, "include_usage": True}

    async def stream(self, connection: Exchange, first: bytes) -> UpstreamError | None:
        """Relay a stream until its ending, or end it with an error event for the failure that comes back.

        Raises:
            UpstreamError: it failed before the client saw anything.

        """
        tail = StreamTail(self._call.endpoint, withhold_usage=self._withhold)
        out = tail.feed(first) if self._trial is None else await self._tried(self._trial, connection, first, tail)
        try:
            last = await self._pass(connection, out, tail)
        except UpstreamError as exc:
            if not self._call.started:
                raise
            failure: UpstreamError | None = exc
        else:
            failure = None
        finally:
            self._note(tail)
        if failure is None:
            await self._complete(connection, last)
        else:
            await self._cut(failure)
        return failure

    async def _pass(self, connection: Exchange, out: bytes, tail: StreamTail) -> bytes:
        """Pass on all but the last events, which are given back; raises UpstreamError where there is no good end."""
        call = self._call
        while True:
            if self._cuts:
                out = without_logprobs(out)
            if tail.complete:
                await self._start(connection)
                return out
            if out:
                await self._start(connection)
                call.tab.passed(out)
                await call.piece(out)
            out = await self._next(connection, tail)

    async def _next(self, connection: Exchange, tail: StreamTail) -> bytes:
        """The next events that may pass; raises UpstreamError where none come."""
        if tail.aborted:
            msg = "the engine gave up on the request"
            raise CutError(msg)
        connection.expect("between_tokens", self._deadlines.between_tokens)
        data = await connection.read()
        if not data:
            msg = "the stream has no ending"
            raise CutError(msg)
        return tail.feed(data)

    async def whole(self, trial: Trial, connection: Exchange, first: bytes) -> bytes:
        """The one body that a stream on trial amounts to, for a caller who asked for no stream.

        Raises:
            UpstreamError: it failed, or has no ending.
            EscalatedError: somebody else is to answer.

        """
        tail = StreamTail(self._call.endpoint, withhold_usage=False)
        pieces = [without_logprobs(await self._tried(trial, connection, first, tail))]
        while not tail.complete:
            pieces.append(without_logprobs(await self._next(connection, tail)))
        await _finish(connection)
        return orjson.dumps(completion_of(b"".join(pieces)))

    async def _tried(self, trial: Trial, connection: Exchange, first: bytes, tail: StreamTail) -> bytes:
        """The events that came until the attempt was kept.

        Raises:
            UpstreamError: it failed.
            EscalatedError: it was given up; the event tells what it used.

        """
        call = self._call
        try:
            held = await trial.held(connection, first, self._deadlines.between_tokens, call.endpoint)
        except asyncio.CancelledError:
            call.event.completion_tokens = trial.tokens
            raise
        out = tail.feed(held)
        if tail.aborted:
            msg = "the engine gave up on the request"
            raise CutError(msg)
        decision = trial.decided(held, call.request_id)
        call.trial = None
        call.limits = [*call.limits, (HEADER, trial.note)]
        if decision.reason is Reason.ESCALATED:
            call.event.completion_tokens = trial.tokens
            raise EscalatedError(decision)
        call.decided(decision)
        return out

    async def _start(self, connection: Exchange) -> None:
        if not self._call.started:
            self._call.event.first_byte = time.monotonic()
            await self._call.start(connection.status, [(b"content-type", connection.content_type), _UNCACHED])

    async def _complete(self, connection: Exchange, last: bytes) -> None:
        """The last events go out once the account of the request is durable."""
        call = self._call
        call.event.outcome = "complete"
        call.tab.passed(last)
        try:
            await call.settle()
        except Refusal as refusal:
            call.event.outcome, call.event.error = "cut", refusal.code or ""
            await call.end(error_event(refusal.message, refusal.code or "", call.endpoint.dialect))
            return
        await call.end(last)
        await _finish(connection)

    def _note(self, tail: StreamTail) -> None:
        """What was used, as the engine says, or as far as the stream came."""
        event = self._call.event
        if tail.usage is not None:
            event.prompt_tokens, event.completion_tokens = tail.usage.prompt, tail.usage.completion
            event.cached_tokens, event.written_tokens = tail.usage.cached, tail.usage.written
        else:
            event.completion_tokens = tail.pieces

    async def _cut(self, failure: UpstreamError) -> None:
        call = self._call
        call.event.outcome, call.event.error = "cut", failure.cause
        message, code = f"The answer was cut off: {call.event.model} stopped ({failure}).", f"upstream_{failure.cause}"
        try:
            await call.settle()
        except Refusal as refusal:
            message, code = refusal.message, refusal.code or code
        await call.end(error_event(message, code, call.endpoint.dialect))


_UNCACHED = (b"cache-control", b"no-cache")


async def _finish(connection: Exchange) -> None:
    """Wait a moment for the framing after a stream's ending, so that the connection can be used again."""
    if connection.reusable:
        return
    connection.expect("total", _LAST_BYTES_S)
    try:
        while await connection.read():
            pass
    except UpstreamError:
        connection.close()


async def answer_whole(call: Call, connection: Exchange, body: bytes) -> None:
    """Pass on an answer that came in one piece, or the engine's refusal of the request.

    Raises:
        CutError: the body is not the JSON that it should be, or tells that the engine failed.

    """
    if connection.status >= _BAD_REQUEST:
        raise _engines_refusal(connection.status, body)
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        msg = "the answer is not JSON"
        raise CutError(msg) from exc
    if gave_up(answer):
        msg = "the engine gave up on the request"
        raise CutError(msg)
    usage = usage_of(answer)
    if usage is not None:
        call.event.prompt_tokens, call.event.completion_tokens = usage.prompt, usage.completion
        call.event.cached_tokens, call.event.written_tokens = usage.cached, usage.written
    call.event.first_byte = time.monotonic()
    call.event.status, call.event.outcome = connection.status, "complete"
    call.tab.passed(body)
    await call.settle()
    await call.whole(connection.status, [(b"content-type", b"application/json")], body)


async def answer_again(call: Call, answer: Answer, headers: Headers) -> None:
    """Give an answer that is there already: a stream as a stream; ``headers`` say where it is from."""
    event = call.event
    event.prompt_tokens = event.cached_tokens = answer.prompt_tokens
    event.completion_tokens = answer.completion_tokens
    event.first_byte = time.monotonic()
    event.status, event.outcome = _OK, "complete"
    await call.settle()
    headers = [(b"content-type", answer.content_type.encode()), *headers]
    if event.stream:
        await call.start(_OK, [*headers, _UNCACHED])
        await call.end(answer.body)
    else:
        await call.whole(_OK, headers, answer.body)


def _engines_refusal(status: int, body: bytes) -> Refusal:
    """An engine's 4xx in our shape; its words, without what is not JSON."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        answer = {}
    error = answer.get("error", answer) if isinstance(answer, dict) else {}
    message = error.get("message") if isinstance(error, dict) else None
    param = error.get("param") if isinstance(error, dict) else None
    return Refusal(
        status,
        str(message or "The engine refused the request.")[:2000],
        param=param if isinstance(param, str) else None,
        code="refused_by_engine",
    )
