"""A checked request → what it needs. Estimates prompt tokens from text length; sees every text and image once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from cluster.spec import Capability
from router.decide.facts import Ask
from router.wire.endpoints import Endpoint, Kind
from router.wire.errors import Refusal
from router.wire.parse import Request

PER_MESSAGE = 8
"""Tokens that a chat template puts around one message, at most, in the families we know."""
_ASCII_PER_TOKEN = 4
_OTHER_PER_TOKEN = 2
_PICTURES = ("image", "image_url", "input_image")
"""Types of parts, in the three APIs."""
_TALK = frozenset({"annotations", "input_schema", "parameters"})
"""Fields whose addresses nobody opens: an earlier answer's sources, a tool's arguments."""


class Tally:
    """Text and images found so far."""

    def __init__(self) -> None:
        """Nothing, yet."""
        self.tokens = 0
        self.bytes = 0
        self.images = 0
        self.counted = False
        self.listens = True
        """Whether the texts that come are the user's."""
        self.said: list[str] = []

    def text(self, text: str) -> None:
        """Count a text: about 4 ASCII characters a token, 2 of other scripts; at most a token a byte."""
        length = len(text)
        if self.listens:
            self.said.append(text)
        if text.isascii():
            self.tokens += length // _ASCII_PER_TOKEN
            self.bytes += length
        else:
            self.tokens += length // _OTHER_PER_TOKEN
            self.bytes += len(text.encode())

    def walk(self, value: object, field: str = "") -> None:
        """Count every text inside a value of unknown shape; refuse addresses that an engine would fetch."""
        stack: list[tuple[str, object]] = [(field, value)]
        while stack:
            key, found = stack.pop()
            if isinstance(found, str):
                self._string(key, found)
            elif isinstance(found, dict):
                stack.extend(self._object(found))
            elif isinstance(found, list):
                stack.extend((key, item) for item in found)

    def _object(self, found: dict[str, object]) -> Iterator[tuple[str, object]]:
        """What is inside of it and may be shown to the engine; what is only talked about is counted as text."""
        kind = found.get("type")
        self.images += kind in _PICTURES
        for key, inner in found.items():
            if key in _TALK or (key == "input" and kind == "tool_use"):
                self.text(orjson.dumps(inner).decode())
            else:
                yield key, inner

    def _string(self, key: str, text: str) -> None:
        if key.endswith(("url", "uri")):
            if not text.startswith("data:"):
                msg = f"{key}: put the data into the request (data:…); the fleet fetches nothing on a caller's behalf."
                raise Refusal(400, msg, param=key, code="invalid_value")
            self.images += 1
        elif key != "data":
            self.text(text)


def understand(endpoint: Endpoint, request: Request) -> Ask:
    """What a request needs.

    Raises:
        Refusal: 400; it asks an engine to fetch an address.

    """
    tally = Tally()
    _READERS[endpoint.kind](request, tally)
    return Ask(
        kind=endpoint.kind,
        model=request["model"],
        prompt_tokens=tally.tokens,
        most_tokens=tally.bytes,
        answer_tokens=_answer_tokens(endpoint, request),
        needs=_needs(endpoint, request, tally),
        counted=tally.counted,
        said=tuple(tally.said),
    )


def to_tokenize(kind: Kind, request: Request) -> Request | None:
    """The part of a request that an engine's ``/tokenize`` can count; None where it has no shape for it."""
    if kind is Kind.CHAT:
        return {key: request[key] for key in ("messages", "tools") if request.get(key)}
    if kind in {Kind.COMPLETION, Kind.EMBEDDING}:
        prompt = request.get("prompt") or request.get("input")
        texts = [text for text in (prompt if isinstance(prompt, list) else [prompt]) if isinstance(text, str)]
        return {"prompt": max(texts, key=lambda text: len(text.encode()))} if texts else None
    return None


def _answer_tokens(endpoint: Endpoint, request: Request) -> int:
    found = request.get(endpoint.answer_limit) or request.get("max_tokens") if endpoint.answer_limit else 0
    return found or 0


def _needs(endpoint: Endpoint, request: Request, tally: Tally) -> frozenset[Capability]:
    if endpoint.kind is Kind.EMBEDDING:
        return _EMBEDDINGS
    if not (tally.images or "tools" in request or "response_format" in request or "text" in request):
        return _CHAT
    needs = {Capability.CHAT}
    if tally.images:
        needs.add(Capability.VISION)
    if request.get("tools") and request.get("tool_choice") != "none":
        needs.add(Capability.TOOLS)
    if _wants_json(request.get("response_format") or (request.get("text") or {}).get("format")):
        needs.add(Capability.JSON_SCHEMA)
    return frozenset(needs)


def _wants_json(shape: Any) -> bool:  # noqa: ANN401 - any JSON in the Responses API
    return isinstance(shape, dict) and shape.get("type") in {"json_schema", "json_object"}


_CHAT = frozenset({Capability.CHAT})
_EMBEDDINGS = frozenset({Capability.EMBEDDINGS})


def _read_chat(request: Request, tally: Tally) -> None:
    for message in request["messages"]:
        tally.tokens += PER_MESSAGE
        tally.bytes += PER_MESSAGE
        tally.listens = message["role"] == "user"
        content = message.get("content")
        if isinstance(content, str):
            tally.text(content)
        elif content:
            tally.walk(content)
        if message.get("tool_calls"):
            tally.walk(message["tool_calls"])
    tally.listens = False
    if request.get("tools"):
        tally.text(orjson.dumps(request["tools"]).decode())


def _read_prompt(request: Request, tally: Tally) -> None:
    """The longest prompt decides: each one is a sequence of its own."""
    prompt = request["input"] if "input" in request else request["prompt"]
    alone = not isinstance(prompt, list) or (prompt and isinstance(prompt[0], int))
    for one in [prompt] if alone else prompt:
        size = Tally()
        if isinstance(one, str):
            size.text(one)
            tally.said.append(one)
        else:
            size.tokens = size.bytes = len(one)
            tally.counted = True
        tally.tokens, tally.bytes = max(tally.tokens, size.tokens), max(tally.bytes, size.bytes)


def _read_items(request: Request, tally: Tally) -> None:
    for field in ("instructions", "system", "input", "messages", "tools"):
        if request.get(field):
            tally.listens = field in _USERS
            tally.walk(request[field], field)


_USERS = ("input", "messages")
"""Fields that hold the conversation; the others are its operator's."""

_READERS = {
    Kind.CHAT: _read_chat,
    Kind.COMPLETION: _read_prompt,
    Kind.EMBEDDING: _read_prompt,
    Kind.RESPONSES: _read_items,
    Kind.MESSAGES: _read_items,
}
