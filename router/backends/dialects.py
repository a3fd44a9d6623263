"""How an answer of the Messages API is told to the caller: in the API that it asked through.

Neighbour: :mod:`router.backends.hosted` reads the answer and asks here for each event.
"""

from __future__ import annotations

import time

import orjson

from router.backends.translate.answer import to_completion
from router.backends.translate.blocks import Json
from router.backends.translate.chunks import Chunks
from router.backends.translate.responses import Telling, response_of
from router.backends.translate.sse import event_bytes
from router.backends.translate.texts import text_of_chat, text_of_chunk

_DONE = b"data: [DONE]\n\n"


class AsChat:
    """To OpenAI's clients."""

    def __init__(self, model: str) -> None:
        """``model`` as the caller knows it."""
        self._model, self._created = model, int(time.time())
        self._chunks = Chunks(model, self._created)

    def event(self, raw: bytes, event: Json) -> bytes:
        """Chunks, and OpenAI's ending after the last."""
        del raw
        told = b"".join(map(event_bytes, self._chunks.feed(event)))
        return told + _DONE if self._chunks.complete else told

    def whole(self, message: Json) -> bytes:
        """A chat completion."""
        return orjson.dumps(to_completion(message, self._model, self._created))


class AsMessages:
    """To Anthropic's clients, who get what came."""

    def __init__(self, model: str) -> None:
        """The vendor's name for the model stays in what it says."""
        del model

    def event(self, raw: bytes, event: Json) -> bytes:
        """The bytes; pings are the gateway's own affair."""
        return b"" if event.get("type") == "ping" else raw

    def whole(self, message: Json) -> bytes:
        """The message."""
        return orjson.dumps(message)


class AsText:
    """To those who asked for a completion."""

    def __init__(self, model: str) -> None:
        """``model`` as the caller knows it."""
        self._model, self._created = model, int(time.time())
        self._chunks = Chunks(model, self._created)

    def event(self, raw: bytes, event: Json) -> bytes:
        """Chunks of text, and OpenAI's ending after the last."""
        del raw
        chunks = [text for chunk in self._chunks.feed(event) if (text := text_of_chunk(chunk)) is not None]
        told = b"".join(map(event_bytes, chunks))
        return told + _DONE if self._chunks.complete else told

    def whole(self, message: Json) -> bytes:
        """A completion."""
        return orjson.dumps(text_of_chat(to_completion(message, self._model, self._created)))


class AsResponse:
    """To those who asked through the Responses API."""

    def __init__(self, model: str) -> None:
        """``model`` as the caller knows it."""
        self._model, self._created = model, int(time.time())
        self._chunks, self._telling = Chunks(model, self._created), Telling(model, self._created)

    def event(self, raw: bytes, event: Json) -> bytes:
        """Events with a name and a number each."""
        del raw
        events = [told for chunk in self._chunks.feed(event) for told in self._telling.feed(chunk)]
        if self._chunks.complete:
            events += self._telling.end()
        return b"".join(event_bytes(one, one["type"]) for one in events)

    def whole(self, message: Json) -> bytes:
        """A response."""
        return orjson.dumps(response_of(to_completion(message, self._model, self._created)))
