"""Server-sent events, as bytes arrive, → whole events; a cut inside of one, or of a character, loses nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from router.backends.translate.blocks import Json

LONGEST = 16 << 20
"""Bytes of one event; whoever sends more is not telling an answer."""


class Splitter:
    """Cuts a stream of bytes where events end."""

    def __init__(self) -> None:
        """Nothing has come."""
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, Json]]:
        """Whole events: their bytes, ready to be passed on, and their data.

        Raises:
            ValueError: what came is no event.

        """
        self._rest = (self._rest + data).replace(b"\r\n", b"\n")
        while (end := self._rest.find(b"\n\n")) >= 0:
            event, self._rest = self._rest[: end + 2], self._rest[end + 2 :]
            lines = [line[5:] for line in event.split(b"\n") if line.startswith(b"data:")]
            if lines:
                payload = orjson.loads(b"\n".join(lines))
                if not isinstance(payload, dict):
                    msg = "an event without an object"
                    raise ValueError(msg)
                yield event, payload
        if len(self._rest) > LONGEST:
            msg = "an event without an end"
            raise ValueError(msg)


def event_bytes(payload: Json, name: str = "") -> bytes:
    """One event; Anthropic's have a name, OpenAI's none."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(payload) + b"\n\n"
