"""One question to a gateway and what its answer measured: who answered, why, how fast, how much."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.client.http import Endpoint

Message = Mapping[str, Any]
"""One message of a conversation, in OpenAI's form."""


@dataclass(frozen=True, slots=True)
class Question:
    """A conversation that waits for its next message."""

    messages: Sequence[Message]
    model: str = "auto"
    """A model, a tier, or ``auto``."""
    max_tokens: int = 256

    def body(self) -> dict[str, object]:
        """As OpenAI's chat completions take it."""
        return {"model": self.model, "messages": list(self.messages), "max_tokens": self.max_tokens}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; seconds are counted from the moment of asking."""

    text: str
    model: str
    tier: str
    reason: str
    total_s: float
    prompt_tokens: int
    completion_tokens: int
    ttft_s: float | None = None
    """Until the first chunk, which an engine sends with its first token; None when the answer was not streamed."""

    @property
    def tpot_s(self) -> float | None:
        """Seconds per output token after the first; None when there was no second one, or no stream to see it in."""
        if self.ttft_s is None or self.completion_tokens < 2:  # noqa: PLR2004 - a gap needs two ends
            return None
        return (self.total_s - self.ttft_s) / (self.completion_tokens - 1)


def ask(endpoint: Endpoint, question: Question) -> Answer:
    """Ask and wait for the whole answer."""
    began = time.monotonic()
    reply = endpoint.post("/v1/chat/completions", question.body())
    text = str(reply.body["choices"][0]["message"].get("content") or "")
    return _answer(reply.headers, text, time.monotonic() - began, reply.body.get("usage"))


def ask_streaming(endpoint: Endpoint, question: Question, on_text: Callable[[str], None] = lambda _: None) -> Answer:
    """Ask and hand over each piece of the answer as it comes."""
    began, text = time.monotonic(), ""
    first: float | None = None
    usage: Mapping[str, int] | None = None
    with endpoint.stream("/v1/chat/completions", _with_usage(question)) as stream:
        for chunk in stream.chunks:
            usage = chunk.get("usage") or usage
            for choice in chunk.get("choices") or ():
                first = first or time.monotonic() - began
                piece = (choice.get("delta") or {}).get("content") or ""
                text += piece
                on_text(piece)
    return _answer(stream.headers, text, time.monotonic() - began, usage, first)


def _with_usage(question: Question) -> dict[str, object]:
    return {**question.body(), "stream_options": {"include_usage": True}}


def _answer(
    headers: Mapping[str, str], text: str, total_s: float, usage: Mapping[str, int] | None, ttft_s: float | None = None
) -> Answer:
    usage = usage or {}
    return Answer(
        text=text,
        model=headers.get("x-freehold-model", ""),
        tier=headers.get("x-freehold-tier", ""),
        reason=headers.get("x-freehold-reason", ""),
        total_s=total_s,
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
        ttft_s=ttft_s,
    )
