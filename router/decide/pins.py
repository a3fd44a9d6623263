"""Conversations under way, and who answers them: by keyed hashes, in memory, a bounded number.

A conversation is the one that the caller names in ``x-freehold-conversation``, or else one that begins with the same
system prompt and first message of the same tenant and user and has grown since. So requests that share their first
messages and are no conversation, such as a batch with the same examples, are each decided for themselves.
Nothing that was said can be read from what is kept. What another worker has kept is not known here; a conversation with
a name is then judged by its first message, as it was there. Neighbour: :mod:`router.decide.policy`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import orjson

from router.decide.facts import Thread
from router.decide.features import PER_MESSAGE, Tally
from router.wire.endpoints import Kind
from router.wire.errors import Refusal

HEADER = b"x-freehold-conversation"
LONGEST_NAME = 256
_SEEN = 500
"""Characters of each of the first messages that tell conversations apart."""


class Pins:
    """Of one gateway worker."""

    def __init__(self, most: int, key: bytes) -> None:
        """``most`` conversations, 0 for none at all; ``key`` is secret, and lost with the process."""
        self._most, self._key = most, key
        self._kept: OrderedDict[bytes, tuple[str, int]] = OrderedDict()

    def thread(
        self, kind: Kind, request: dict[str, Any], headers: Iterable[tuple[bytes, bytes]], tenant: str
    ) -> Thread | None:
        """The conversation that a request belongs to; None where it cannot be told.

        Raises:
            Refusal: 400, its name is too long.

        """
        if not self._most:
            return None
        messages = request["messages"] if kind in {Kind.CHAT, Kind.MESSAGES} else []
        begun = _beginning(messages)
        name = next((value for header, value in headers if header == HEADER), b"")
        if len(name) > LONGEST_NAME:
            msg = f"{HEADER.decode()}: at most {LONGEST_NAME} characters."
            raise Refusal(400, msg, param=HEADER.decode(), code="invalid_value")
        if name:
            digest = self._digest([tenant, name.decode("latin-1")])
            return Thread(digest, len(messages), named=True, opening_tokens=_tokens([request.get("system"), *begun]))
        if not begun:
            return None
        said = [tenant, request.get("user"), *map(_cut, (request.get("system"), *begun))]
        return Thread(self._digest(said), len(messages), named=False)

    def _digest(self, said: list[Any]) -> bytes:
        return blake2b(orjson.dumps(said), digest_size=16, key=self._key).digest()

    def recall(self, thread: Thread | None) -> str:
        """Who answered the conversation so far; empty where nobody did."""
        kept = self._kept.get(thread.digest) if thread is not None else None
        if thread is None or kept is None:
            return ""
        model, messages = kept
        return model if thread.named or thread.messages > messages else ""

    def keep(self, thread: Thread | None, model: str) -> None:
        """Remember who answers; the conversation that has been silent for longest makes room."""
        if thread is None:
            return
        self._kept[thread.digest] = model, thread.messages
        self._kept.move_to_end(thread.digest)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _beginning(messages: list[dict[str, Any]]) -> list[Any]:
    """What the messages up to the user's first hold; nothing where there is none."""
    for at, message in enumerate(messages):
        if message["role"] == "user":
            return [one.get("content") for one in messages[: at + 1]]
    return []


def _tokens(contents: list[Any]) -> int:
    """Estimated as :mod:`router.decide.features` does."""
    tally = Tally()
    for content in contents:
        if content:
            tally.tokens += PER_MESSAGE
            tally.walk(content, "content")
    return tally.tokens


def _cut(content: Any) -> Any:  # noqa: ANN401 - text or parts
    if isinstance(content, str):
        return content[:_SEEN]
    if isinstance(content, list):
        texts = (part.get("text") for part in content[:8])
        return [text[:_SEEN] for text in texts if isinstance(text, str)]
    return None
