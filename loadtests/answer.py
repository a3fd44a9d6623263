"""One answer read to its end by its bytes: when its first token came, how it ended, what the engine counted.

JSON is parsed up to the first token and at the end, not per chunk: that is what keeps the generator cheap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from cluster.errors import CutOffError
from loadtests.facts import Outcome
from loadtests.wire import Connection

_TAIL: Final = 32
"""Last pieces of a stream that are kept: more than finish, usage and ending ever take."""
_OK: Final = 200
_REFUSED: Final = range(400, 500)
_BEARING: Final = ("content", "reasoning_content", "reasoning", "tool_calls")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came."""

    outcome: Outcome
    status: int
    headers: Mapping[str, str]
    first_s: float | None
    end_s: float
    prompt_tokens: int = 0
    output_tokens: int = 0
    error: str = ""
    text: str = ""
    """What was said, where it was asked for."""


def read_answer(
    connection: Connection, now: Callable[[], float], cancel_after: int | None = None, *, keep: bool = False
) -> Answer:
    """Read the answer to what was sent; after so many chunks hang up on purpose. ``keep`` also keeps what was said.

    CutOffError never leaves here: an answer that broke off is a fact about the fleet, not a failure of ours.
    """
    try:
        connection.head()
    except CutOffError as exc:
        return Answer(Outcome.CUT, 0, {}, None, now(), error=str(exc))
    if connection.headers.get("content-type", "").startswith("text/event-stream"):
        return _Stream(connection, now, cancel_after, keep=keep).read()
    return _whole(connection, now)


def _whole(connection: Connection, now: Callable[[], float]) -> Answer:
    """An answer in one piece: an embedding, or an error."""
    status, headers = connection.status, connection.headers
    try:
        content = b"".join(connection.pieces())
    except CutOffError as exc:
        return Answer(Outcome.CUT, status, headers, None, now(), error=str(exc))
    end = now()
    body = _json(content)
    if status == _OK and "error" not in body:
        prompt, output = _usage(body)
        return Answer(Outcome.COMPLETE, status, headers, None, end, prompt, output)
    outcome = Outcome.REFUSED if status in _REFUSED else Outcome.ERROR
    return Answer(outcome, status, headers, None, end, error=_code(body) or f"HTTP {status}")


class _Stream:
    """A stream of server-sent events that is being read."""

    def __init__(
        self, connection: Connection, now: Callable[[], float], cancel_after: int | None, *, keep: bool
    ) -> None:
        self._connection, self._now, self._cancel_after, self._keep = connection, now, cancel_after, keep
        self._tail: deque[bytes] = deque(maxlen=None if keep else _TAIL)
        self._first: float | None = None
        self._ended_s = 0.0
        self._chunks = 0

    def read(self) -> Answer:
        """To its end, whichever that is."""
        pieces = self._connection.pieces()
        try:
            if self._to_first_token(pieces) and self._to_the_end(pieces):
                self._ended_s = self._now()
                self._connection.close()
                return self._answer(Outcome.CANCELLED, self._chunks, "")
        except CutOffError as exc:
            self._ended_s = self._now()
            return self._answer(Outcome.CUT, self._chunks, str(exc))
        self._ended_s = self._now()
        return self._ended()

    def _to_first_token(self, pieces: Iterator[bytes]) -> bool:
        head = b""
        for piece in pieces:
            arrived = self._now()
            self._tail.append(piece)
            head += piece
            events, _, rest = head.rpartition(b"\n\n")
            bearing = sum(map(_bears_token, events.split(b"\n\n")))
            if bearing:
                self._first, self._chunks = arrived, bearing
                return True
            head = rest
        return False

    def _to_the_end(self, pieces: Iterator[bytes]) -> bool:
        """Whether to hang up before."""
        if self._cancel_after is None:
            for piece in pieces:
                self._tail.append(piece)
                self._chunks += piece.count(b"data: {")
            return False
        while self._chunks < self._cancel_after:
            piece = next(pieces, b"")
            if not piece:
                return False
            self._tail.append(piece)
            self._chunks += piece.count(b"data: {")
        return True

    def _ended(self) -> Answer:
        lines = [line[6:] for line in b"".join(self._tail).split(b"\n") if line.startswith(b"data: ")]
        events = [_json(line) for line in lines if line != b"[DONE]"]
        failed = next((event for event in events if event.get("error")), None)
        if failed is not None:
            return self._answer(Outcome.ERROR, self._chunks, _code(failed) or "error event")
        if lines[-1:] != [b"[DONE]"]:
            return self._answer(Outcome.CUT, self._chunks, "the stream stopped without its ending")
        counted = next((_usage(event) for event in reversed(events) if event.get("usage")), (0, self._chunks))
        said = "".join(map(_said, events)) if self._keep else ""
        return self._answer(Outcome.COMPLETE, counted[1], "", counted[0], said)

    def _answer(self, outcome: Outcome, output: int, error: str, prompt: int = 0, text: str = "") -> Answer:
        status, headers = self._connection.status, self._connection.headers
        return Answer(outcome, status, headers, self._first, self._ended_s, prompt, output, error, text)


def _bears_token(event: bytes) -> bool:
    """Whether there is a part of an answer in it; the first event of a chat only names the role."""
    for choice in _json(event.removeprefix(b"data: ")).get("choices") or ():
        delta = choice.get("delta") or choice
        if choice.get("text") or any(delta.get(name) for name in _BEARING):
            return True
    return False


def _said(event: Mapping[str, Any]) -> str:
    deltas = (choice.get("delta") or {} for choice in event.get("choices") or ())
    return "".join(delta.get("content") or "" for delta in deltas)


def _json(content: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(content)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _usage(body: Mapping[str, Any]) -> tuple[int, int]:
    usage = body.get("usage") or {}
    return int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)


def _code(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    if isinstance(error, Mapping):
        return str(error.get("code") or error.get("type") or "")[:60]
    return str(error or "")[:60]
