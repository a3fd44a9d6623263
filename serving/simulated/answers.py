"""An answer under way: from the tokens that the engine produces to the bytes that its client reads.

What is written for a usual token was encoded before it was needed; one loop of the engine writes to all connections.
"""

from __future__ import annotations

import secrets
import time
from typing import Protocol

from serving.simulated import shapes
from serving.simulated.asked import Ask
from serving.simulated.batch import Sequence
from serving.simulated.script import Script

JSON = b"application/json"
STREAM = b"text/event-stream; charset=utf-8"
_NAMES = {
    "chat": ("chatcmpl", "chat.completion"),
    "completion": ("cmpl", "text_completion"),
    "embedding": ("embd", "list"),
    "message": ("chatcmpl", "message"),
}
_CHUNK = ".chunk"


class Reply(Protocol):
    """Where an answer goes: one response of an HTTP server."""

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        """Answer in one piece."""

    def begin(self, content_type: bytes) -> None:
        """Begin a stream, status 200."""

    def write(self, data: bytes) -> None:
        """Go on with it."""

    def end(self) -> None:
        """End it."""


class Answer:
    """One request, its sequences, and how far they have come."""

    def __init__(self, ask: Ask, head: shapes.Json, choices: list[tuple[Sequence, Script]], reply: Reply) -> None:
        """``head`` names the model and where it lives, in the JSON of every event."""
        self.ask, self._reply = ask, reply
        self.sequences = [sequence for sequence, _ in choices]
        self._scripts = [script for _, script in choices]
        self._chat = ask.kind == "chat"
        self._left = len(choices)
        self._begun = False
        self._head = {"id": "", "object": "", "created": int(time.time()), **head}
        name, kind = _NAMES[ask.kind]
        self._head |= {"id": f"{name}-{secrets.token_hex(8)}", "object": kind + _CHUNK * (ask.stream and self._chat)}
        self._around: dict[int, tuple[bytes, bytes]] = {}
        self._plain = ask.logprobs is None and not ask.continuous_usage

    @property
    def prompt_tokens(self) -> int:
        """Of all prompts; a prompt that is answered ``n`` times counts once."""
        return sum(sequence.prompt_tokens for sequence in self.sequences[:: self.ask.n])

    def reason(self, choice: int) -> str:
        """How a choice ends."""
        return self._scripts[choice].finish

    def produced(self, choice: int) -> None:
        """A choice has one token more."""
        sequence = self.sequences[choice]
        if self.ask.stream:
            if sequence.produced == 1:
                self._open(choice)
            self._reply.write(self._event(choice, sequence.produced - 1))
        if sequence.is_done:
            self._left -= 1
            if not self._left:
                self._finish()

    def _open(self, choice: int) -> None:
        if not self._begun:
            self._begun = True
            self._reply.begin(STREAM)
            if self._chat:
                for index in range(len(self.sequences)):
                    counts = {"usage": self._usage(0)} if self.ask.continuous_usage else {}
                    self._reply.write(shapes.event(shapes.opening(self._head, index) | counts))
        self._around[choice] = shapes.around(self._head, choice, chat=self._chat)

    def _event(self, choice: int, index: int) -> bytes:
        script = self._scripts[choice]
        text = script.json(index) if self._plain and index < script.tokens - 1 else None
        if text is not None:
            before, after = self._around[choice]
            return before + text + after
        last = script if index == script.tokens - 1 else None
        shape = shapes.chat_piece if self._chat else shapes.completion_piece
        content = {**self._head, "choices": [shape(choice, script.piece(index), self._logprobs(choice, index), last)]}
        if self.ask.continuous_usage:
            content["usage"] = self._usage(sum(sequence.produced for sequence in self.sequences))
        if last and self._left == 1 and not self.ask.include_usage:
            content["system_fingerprint"] = shapes.FINGERPRINT
        return shapes.event(content)

    def _finish(self) -> None:
        answered = sum(sequence.produced for sequence in self.sequences)
        if self.ask.kind == "embedding":
            body = shapes.embeddings(
                self._head, self.ask.texts, self.prompt_tokens, self.ask.dimensions, packed=self.ask.base64
            )
            self._reply.whole(200, JSON, body)
        elif not self.ask.stream:
            shape = shapes.chat_choice if self._chat else shapes.completion_choice
            choices = [shape(index, script, self._logprobs(index)) for index, script in enumerate(self._scripts)]
            body = shapes.whole(self._head, choices, self.prompt_tokens, answered, chat=self._chat)
            self._reply.whole(200, JSON, body)
        else:
            self._close(answered)

    def _close(self, answered: int) -> None:
        if self.ask.include_usage:
            counts = {"usage": shapes.usage(self.prompt_tokens, answered), "system_fingerprint": shapes.FINGERPRINT}
            self._reply.write(shapes.event({**self._head, "choices": []} | counts))
        self._reply.write(shapes.DONE)
        self._reply.end()

    def _usage(self, answered: int) -> shapes.Json:
        return shapes.usage(self.prompt_tokens, answered) | {"completion_tokens_details": None}

    def _logprobs(self, choice: int, index: int | None = None) -> shapes.Json | None:
        if self.ask.logprobs is None:
            return None
        script = self._scripts[choice]
        places = range(script.tokens) if index is None else [index]
        shape = shapes.chat_logprobs if self._chat else shapes.completion_logprobs
        return shape(script, places, self.ask.logprobs)
