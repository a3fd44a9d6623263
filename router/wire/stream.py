"""The tail of a stream, watched without parsing its chunks.

Bytes pass through whole events at a time, so that an error event can follow at any moment and a cut never splits a
character. Only a block that carries usage or an abort is looked into; those are one or two in a stream. JSON escapes
line breaks and quotes inside of strings, so what a model writes cannot be mistaken for any of the marks.
"""

from __future__ import annotations

import orjson

from router.wire.endpoints import Endpoint
from router.wire.usage import Usage, usage_of

_USAGE = (b'"usage":{', b'"usage": {')
_ABORT = (b'"finish_reason":"abort"', b'"finish_reason": "abort"')


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
        """The engine gave up on the request; it ends like a complete one but is none."""
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> bytes:
        """Take what arrived; give back the whole events that may go to the client."""
        if self.complete or self.aborted:
            return b""
        if self._rest:
            data = self._rest + data
        end = data.rfind(b"\n\n") + 2
        if end == 1:
            end = data.rfind(b"\r\n\r\n") + 4
            if end == 3:  # noqa: PLR2004 - not found
                self._rest = data
                return b""
        if end == len(data):
            self._rest = b""
        else:
            self._rest = data[end:]
            data = data[:end]
        if _USAGE[0] in data or _USAGE[1] in data:
            data = self._without_usage(data)
        if _ABORT[0] in data or _ABORT[1] in data:
            self.aborted = True
            return b""
        for ending in self._endings:
            if data.startswith(ending) or b"\n" + ending in data:
                self.complete = True
        return data

    def _without_usage(self, data: bytes) -> bytes:
        """Read the usage out of the events that have it; drop those that are there for nothing else."""
        between = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
        at = _next_usage(data, 0)
        while at >= 0:
            start = data.rfind(between, 0, at)
            start = 0 if start < 0 else start + len(between)
            stop = data.find(between, at) + len(between)
            payload = _payload(data[start:stop])
            used = usage_of(payload)
            if used is not None:
                self.usage = _merged(self.usage, used)
            if self._withhold and isinstance(payload, dict) and payload.get("choices") == []:
                data = data[:start] + data[stop:]
                stop = start
            at = _next_usage(data, stop)
        return data


def _next_usage(data: bytes, start: int) -> int:
    """Where the next mark of usage is; -1 for nowhere."""
    found = [at for mark in _USAGE if (at := data.find(mark, start)) >= 0]
    return min(found, default=-1)


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
    return Usage(now.prompt or before.prompt, now.completion or before.completion, now.cached or before.cached)
