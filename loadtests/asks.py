"""Who asks what: one request at a time for an open loop, turn after turn of a conversation for a closed one. Pure.

A conversation draws the lengths of its prompts from the fleet's traffic like everybody and puts them in order, so that
histories grow while all prompts together are as long as the fleet file says.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from cluster.demand import LogNormals
from loadtests.facts import Kind
from loadtests.order import Order
from loadtests.prompts import Prompts

_TURNS: Final = 4
"""Of a conversation on average; geometric, as people give up with the same chance after each answer."""
_MOST_TURNS: Final = 12
_LEAST: Final = 8
"""Tokens of a message at least."""
_BATCH: Final = 256
_EMBEDDED: Final = 200
"""Tokens of a text to embed at most: many embedding models take 256."""
_TOOLS: Final = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]},
        },
    }
    for name, description, argument in (
        ("look_up", "Find an entry in the catalogue.", "title"),
        ("convert", "Convert a quantity into another unit.", "quantity"),
    )
]

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, ready to be sent."""

    kind: Kind
    path: str
    body: bytes
    prompt_tokens: int
    """As it is meant to be."""
    cancel_after: int | None = None
    """Chunks after which the client hangs up."""


class Asker:
    """Draws requests; the same order and number draw the same."""

    def __init__(self, order: Order, prompts: Prompts, number: int) -> None:
        """``number`` tells askers of one run apart."""
        self._order, self._prompts = order, prompts
        self.draw = random.Random(f"{order.seed} {number}")  # noqa: S311 - load, no secrets
        self._mix = LogNormals(order.prompt, order.output, order.cached_share, order.context)
        self._numbers = np.random.default_rng((order.seed, number))
        self._lengths: list[tuple[int, int, int]] = []

    def lengths(self) -> tuple[int, int, int]:
        """Prompt, answer and shared tokens of the next request."""
        if not self._lengths:
            drawn = self._mix.draw(_BATCH, self._numbers)
            columns = (drawn.prompt_tokens, drawn.output_tokens, drawn.cached_tokens)
            self._lengths = list(zip(*(column.tolist() for column in columns), strict=True))
        return self._lengths.pop()

    def kind(self) -> Kind:
        """What kind the next request is."""
        mix, order = self._order.mix, self._order
        place = self.draw.random()
        if place < mix.embeddings:
            return Kind.EMBEDDING if order.embedder else Kind.CHAT
        if place < mix.embeddings + mix.tools:
            return Kind.TOOLS if order.has_tools else Kind.CHAT
        return Kind.COMPLETION if place < mix.embeddings + mix.tools + mix.completions else Kind.CHAT

    def single(self, kind: Kind, prompt: int, output: int, shared: int = 0) -> Ask:
        """A request without a history."""
        if kind is Kind.EMBEDDING:
            prompt = min(prompt, _EMBEDDED)
            body = {"model": self._order.embedder, "input": self._prompts.task(self.draw, prompt)}
            return Ask(kind, "/v1/embeddings", orjson.dumps(body), prompt)
        text = self._prompts.task(self.draw, prompt, shared)
        if kind is Kind.COMPLETION:
            return self._streamed(kind, "/v1/completions", {"prompt": text}, prompt, output)
        return self.chat(kind, [{"role": "user", "content": text}], prompt, output)

    def chat(self, kind: Kind, messages: list[Message], prompt: int, output: int) -> Ask:
        """A chat, with its whole history."""
        extra: dict[str, Any] = {"tools": _TOOLS} if kind is Kind.TOOLS else {}
        return self._streamed(kind, "/v1/chat/completions", {"messages": messages, **extra}, prompt, output)

    def _streamed(self, kind: Kind, path: str, said: dict[str, Any], prompt: int, output: int) -> Ask:
        body = {
            "model": self._order.model,
            **said,
            "max_tokens": output,
            "stream": True,
            "stream_options": {"include_usage": True},
            **({"ignore_eos": True} if self._order.exact else {}),
        }
        leaves = self.draw.random() < self._order.mix.cancelled
        return Ask(kind, path, orjson.dumps(body), prompt, max(1, output // 2) if leaves else None)


class Chat:
    """All that a closed-loop user asks: one conversation after the other, and now and then something beside it."""

    def __init__(self, prompts: Prompts, asker: Asker) -> None:
        """Begin a first conversation."""
        self._prompts, self._asker = prompts, asker
        self._begin()

    def _begin(self) -> None:
        """Draw how many turns are to come, and how long they are."""
        turns = 1
        while turns < _MOST_TURNS and self._asker.draw.random() > 1 / _TURNS:
            turns += 1
        drawn = sorted(self._asker.lengths() for _ in range(turns))
        self._turns = deque((prompt, output) for prompt, output, _ in drawn)
        self._shared = drawn[0][2]
        self._forget()

    def _forget(self) -> None:
        self._messages: list[Message] = []
        self._history = 0

    def next(self) -> Ask:
        """What the user asks next."""
        kind = self._asker.kind()
        return self._asker.single(kind, *self._asker.lengths()) if kind is not Kind.CHAT else self._turn()

    def _turn(self) -> Ask:
        """The conversation's next turn; the first of another one where the history is as long as the prompt may be."""
        if not self._turns:
            self._begin()
        prompt, output = self._turns.popleft()
        if self._history + _LEAST > prompt:
            self._forget()
        draw, new = self._asker.draw, max(_LEAST, prompt - self._history)
        text = self._prompts.follow_up(draw, new) if self._messages else self._prompts.task(draw, new, self._shared)
        self._messages.append({"role": "user", "content": text})
        return self._asker.chat(Kind.CHAT, self._messages, prompt, output)

    def answered(self, ask: Ask, text: str, tokens: int) -> None:
        """What came, and how many tokens prompt and answer have together; without a text the conversation is over."""
        if ask.kind is not Kind.CHAT:
            return
        if not text:
            self._turns.clear()
        self._messages.append({"role": "assistant", "content": text})
        self._history = tokens
