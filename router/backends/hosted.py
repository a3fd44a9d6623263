"""An answer of the Messages API under way: its bytes in the caller's dialect, each wait under a deadline.

Pings are no progress: what only keeps a connection warm, byte by byte, runs into the deadline like silence. An error
inside of a stream is an error here, whatever the status was. Neighbours: :mod:`router.backends.claude` opens them,
:mod:`router.backends.dialects` tells them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, TypeVar

import orjson

from router.backends.errors import CutError, DeadlineError, StatusError, UpstreamError
from router.backends.translate.blocks import Json
from router.backends.translate.sse import Splitter

T = TypeVar("T")
_STATUSES = {"overloaded_error": 529, "rate_limit_error": 429, "timeout_error": 504}
_SILENT = ("message_start", "ping")
"""Events that come before anything is said: until another one does, somebody else may still answer."""


class Dialect(Protocol):
    """How events are told to the caller."""

    def event(self, raw: bytes, event: Json) -> bytes:
        """What an event of the stream becomes."""
        ...

    def whole(self, message: Json) -> bytes:
        """What an answer in one piece becomes."""
        ...


def raise_error(payload: Json) -> None:
    """Raise what an error object means, wherever it came.

    Raises:
        UpstreamError: it is one.

    """
    if payload.get("type") != "error":
        return
    error = payload.get("error")
    kind = error.get("type") if isinstance(error, dict) else ""
    if kind in _STATUSES:
        raise StatusError(_STATUSES[kind])
    msg = f"the stream told an error ({str(kind)[:80]})"
    raise CutError(msg)


def _must(holds: bool) -> None:
    """Raise CutError for what only looks like an answer: a message is one, from its start on."""
    if not holds:
        msg = "what came is no message"
        raise CutError(msg)


class Hosted:
    """One exchange."""

    content_type = b"text/event-stream; charset=utf-8"

    def __init__(self, status: int, data: AsyncIterator[bytes], dialect: Dialect, close: Callable[[], None]) -> None:
        """``close`` drops the connection; ``data`` raises UpstreamError where it breaks."""
        self.status = status
        self._data, self._dialect, self._drop = data, dialect, close
        self._splitter = Splitter()
        self._deadline = 0.0
        self._which = ("", 0.0)
        self._begun = self._said = self._complete = False
        self._failure: UpstreamError | None = None
        """Came with the last piece; told once that is out."""

    @property
    def reusable(self) -> bool:
        """Whether the last event was seen."""
        return self._complete

    def expect(self, which: str, seconds: float) -> None:
        """Set the deadline of the next piece."""
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._which = (which, seconds)

    async def within(self, awaitable: Awaitable[T]) -> T:
        """What comes of it before the deadline."""
        try:
            async with asyncio.timeout_at(self._deadline):
                return await awaitable
        except TimeoutError:
            raise DeadlineError(*self._which) from None

    async def first(self) -> bytes:
        """All that came until something was said, or the answer ended."""
        begun = b""
        while not self._said:
            begun += await self.read()
        return begun

    async def read(self) -> bytes:
        """The next piece that the caller is to have.

        Raises:
            UpstreamError: there is none, or it tells of a failure.

        """
        told = b""
        if self._failure is not None:
            raise self._failure
        while not (told or self._complete):
            data = await self.within(anext(self._data, b""))
            if not data:
                msg = "the stream stopped before its end"
                raise CutError(msg)
            told = self._tell(data)
        return told

    def _tell(self, data: bytes) -> bytes:
        told = b""
        try:
            for raw, event in self._splitter.feed(data):
                raise_error(event)
                self._said = self._said or event.get("type") not in _SILENT
                self._begun = self._begun or event.get("type") == "message_start"
                self._complete = self._complete or event.get("type") == "message_stop"
                _must(self._begun or not self._complete)
                told += self._dialect.event(raw, event)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            msg = f"the stream is malformed ({type(exc).__name__})"
            raise CutError(msg) from exc
        except UpstreamError as exc:
            if not (told and self._said):
                raise
            self._failure = exc
        return told

    async def whole(self, limit: int) -> bytes:
        """The answer in one piece.

        Raises:
            UpstreamError: it is too long, no answer, or tells of a failure.

        """
        body = b""
        while data := await self.within(anext(self._data, b"")):
            body += data
            if len(body) > limit:
                msg = f"the answer is longer than {limit} bytes"
                raise CutError(msg)
        try:
            message = orjson.loads(body)
            raise_error(message)
            _must(message.get("type") == "message")
            told = self._dialect.whole(message)
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            msg = f"the answer is malformed ({type(exc).__name__})"
            raise CutError(msg) from exc
        self._complete = True
        return told

    def close(self) -> None:
        """Drop the connection."""
        self._drop()


class Refused:
    """The vendor's 4xx for the caller's sake; everything of it has come."""

    reusable = True
    content_type = b"application/json"

    def __init__(self, status: int) -> None:
        """``status`` as it came."""
        self.status = status

    def expect(self, which: str, seconds: float) -> None:
        """Nothing more is waited for."""

    async def read(self) -> bytes:
        """Nothing more comes."""
        return b""

    def close(self) -> None:
        """Nothing is open."""
