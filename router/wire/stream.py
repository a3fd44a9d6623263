"""The tail of a stream, watched without parsing its chunks.

Bytes pass through whole events at a time, so that an error event can follow at any moment and a cut never splits a
character. Only an event that bears a mark (usage, an error, an abort) is looked into; those are one or two in a stream.
JSON escapes line breaks and quotes inside of strings, so what a model writes cannot be mistaken for any of the marks.
"""

from __future__ import annotations

from dataclasses import astuple

import orjson

from router.wire.endpoints import Endpoint
from router.wire.usage import Usage, usage_of

_USAGE, _USAGE_SPACED, _ERROR, _ABORT = _MARKS = (b'"usage":{', b'"usage": {', b'"error"', b'"abort"')
_BETWEEN = (b"\n\n", b"\r\n\r\n")
"""What ends an event."""


class StreamTail:
    """Follows one stream: what may pass, whether it ended well, what it used."""

    def __init__(self, endpoint: Endpoint, *, withhold_usage: bool) -> None:
        """``withhold_usage``: the client did not ask for the usage event, so it is kept from it."""
        self._endings = endpoint.endings
        self._withhold = withhold_usage
        self._rest = b""
        self.complete = False
        """The ending was seen; whatever follows it is dropped."""
        self.aborted = False
        """The engine gave up on the request, by an error or an abort; nothing from there on has passed."""
        self.usage: Usage | None = None
        self._piece = endpoint.piece
        self._pieces = 0

    @property
    def pieces(self) -> int:
        """Pieces of text that have passed: about as many tokens, where a cut leaves no other count."""
        return self._pieces

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; give back the whole events that may go to the client."""
        passed = self._passed(data)
        if self._piece:
            self._pieces += passed.count(self._piece)
        return passed

    def _passed(self, data: bytes) -> bytes:
        if self.complete or self.aborted:
            return b""
        if self._rest:
            data = self._rest + data
        if data.endswith(_BETWEEN):
            self._rest = b""
        else:
            end = _end_of_last(data, len(self._rest))
            data, self._rest = data[:end], data[end:]
        if _USAGE in data or _USAGE_SPACED in data or _ERROR in data or _ABORT in data:
            data = self._looked_into(data)
        for ending in self._endings:
            at = 0 if data.startswith(ending) else data.find(b"\n" + ending)
            if at >= 0:
                self.complete = True
                return data[: _end_of(data, at + 1)]
        return data

    def _looked_into(self, data: bytes) -> bytes:
        """Read the usage; drop an event that is there for nothing else, and everything from a failure on."""
        at = _next_mark(data, 0)
        while at >= 0:
            start, stop = _end_of_last(data[:at], 0), _end_of(data, at)
            payload = _payload(data[start:stop])
            if gave_up(payload):
                self.aborted = True
                return data[:start]
            used = usage_of(payload)
            if used is not None:
                self.usage = _merged(self.usage, used)
                if self._withhold and isinstance(payload, dict) and payload.get("choices") == []:
                    data = data[:start] + data[stop:]
                    stop = start
            at = _next_mark(data, stop)
        return data


def _end_of_last(data: bytes, known: int) -> int:
    """Where the last whole event ends, 0 for nowhere; the first ``known`` bytes are known to hold no end."""
    start = max(0, known - 3)
    return max(at + len(mark) if (at := data.rfind(mark, start)) >= 0 else 0 for mark in _BETWEEN)


def _end_of(data: bytes, start: int) -> int:
    """Where the event that ``start`` lies in ends."""
    return min(at + len(mark) if (at := data.find(mark, start)) >= 0 else len(data) for mark in _BETWEEN)


def _next_mark(data: bytes, start: int) -> int:
    """Where the next mark is; -1 for nowhere."""
    return min((at for mark in _MARKS if (at := data.find(mark, start)) >= 0), default=-1)


def gave_up(payload: object) -> bool:
    """Whether an event, or an answer, tells that the engine failed: vLLM ends such streams like complete ones."""
    if not isinstance(payload, dict):
        return False
    if payload.get("error") or "error" in (payload.get("type"), payload.get("object")):
        return True
    choices = payload.get("choices")
    return isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") == "abort" for choice in choices
    )


def _payload(event: bytes) -> object:
    """The JSON of an event's ``data:`` line; None where it is none."""
    for line in event.splitlines():
        if line.startswith(b"data:"):
            try:
                return orjson.loads(line[5:])
            except orjson.JSONDecodeError:
                return None
    return None


def _merged(before: Usage | None, now: Usage) -> Usage:
    """Anthropic's streams tell the prompt first and the answer last; OpenAI's tell both at once."""
    if before is None:
        return now
    return Usage(*map(max, astuple(now), astuple(before)))
