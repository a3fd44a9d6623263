"""The endpoints that generate: where they live, what they accept, and how their streams end.

A new endpoint is a row here; the gateway knows none of them by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

from router.wire.errors import Dialect
from router.wire.fields import ChatRequest, CompletionRequest, EmbeddingRequest
from router.wire.relayed import MessagesRequest, ResponsesRequest


class Kind(StrEnum):
    """What an endpoint produces; also its label in metrics."""

    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"
    RESPONSES = "responses"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One generating endpoint."""

    kind: Kind
    path: str
    body: TypeAdapter[Any]
    """Parses and checks the JSON body."""
    dialect: Dialect
    endings: tuple[bytes, ...] = ()
    """What the last event of a complete stream begins with; a stream that stops before any of them was cut."""
    asks_usage: bool = False
    """Whether ``stream_options.include_usage`` makes a stream report its usage."""
    piece: bytes = b""
    """What every event with a piece of the answer contains once."""
    answer_limit: str = ""
    """The body's field that bounds the answer's tokens."""


_DONE = (b"data: [DONE]", b"data:[DONE]")

ENDPOINTS: dict[str, Endpoint] = {
    endpoint.path: endpoint
    for endpoint in (
        Endpoint(
            Kind.CHAT,
            "/v1/chat/completions",
            TypeAdapter(ChatRequest),
            Dialect.OPENAI,
            _DONE,
            asks_usage=True,
            piece=b'"delta":',
            answer_limit="max_completion_tokens",
        ),
        Endpoint(
            Kind.COMPLETION,
            "/v1/completions",
            TypeAdapter(CompletionRequest),
            Dialect.OPENAI,
            _DONE,
            asks_usage=True,
            piece=b'"text":',
            answer_limit="max_tokens",
        ),
        Endpoint(Kind.EMBEDDING, "/v1/embeddings", TypeAdapter(EmbeddingRequest), Dialect.OPENAI),
        Endpoint(
            Kind.RESPONSES,
            "/v1/responses",
            TypeAdapter(ResponsesRequest),
            Dialect.RESPONSES,
            (b"event: response.completed", b"event: response.incomplete", b"event: response.failed"),
            piece=b"event: response.output_text.delta",
            answer_limit="max_output_tokens",
        ),
        Endpoint(
            Kind.MESSAGES,
            "/v1/messages",
            TypeAdapter(MessagesRequest),
            Dialect.ANTHROPIC,
            (b"event: message_stop",),
            piece=b"event: content_block_delta",
            answer_limit="max_tokens",
        ),
    )
}
