"""The bodies of the two endpoints that vLLM itself translates: OpenAI's Responses and Anthropic's Messages.

The same allow-list as in :mod:`router.wire.fields`, looser inside, since conversations of these APIs carry items of
many shapes. What needs a store of earlier answers is refused: a replica's memory is no store.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from router.wire.fields import Json, Metadata, ModelName, Short, Temperature, Text, Tokens, Unit, closed

Items = Annotated[list[Json], Field(fail_fast=True, min_length=1, max_length=10_000)]
Blocks = Annotated[list[Json], Field(fail_fast=True, max_length=10_000)]
Tools = Annotated[list[Json], Field(fail_fast=True, max_length=128)]


@closed
class ResponsesRequest(TypedDict):
    """``POST /v1/responses``."""

    model: ModelName
    input: Text | Items
    instructions: NotRequired[Text | None]
    max_output_tokens: NotRequired[Tokens | None]
    max_tool_calls: NotRequired[Annotated[int, Field(ge=1, le=1000)] | None]
    stream: NotRequired[bool | None]
    temperature: NotRequired[Temperature | None]
    top_p: NotRequired[Unit | None]
    top_logprobs: NotRequired[Annotated[int, Field(ge=0, le=20)] | None]
    tools: NotRequired[Tools | None]
    tool_choice: NotRequired[Literal["none", "auto", "required"] | Json | None]
    parallel_tool_calls: NotRequired[bool | None]
    text: NotRequired[Json | None]
    reasoning: NotRequired[Json | None]
    truncation: NotRequired[Literal["auto", "disabled"] | None]
    include: NotRequired[Annotated[list[Short], Field(fail_fast=True, max_length=16)] | None]
    metadata: NotRequired[Metadata | None]
    user: NotRequired[Short | None]
    safety_identifier: NotRequired[Short | None]
    store: NotRequired[Literal[False] | None]
    background: NotRequired[Literal[False] | None]
    previous_response_id: NotRequired[None]
    service_tier: NotRequired[Literal["auto", "default"] | None]


@closed
class AnthropicMessage(TypedDict):
    """One turn."""

    role: Literal["user", "assistant", "system"]
    content: Text | Blocks


@closed
class MessagesRequest(TypedDict):
    """``POST /v1/messages``."""

    model: ModelName
    messages: Annotated[list[AnthropicMessage], Field(fail_fast=True, min_length=1, max_length=10_000)]
    max_tokens: Tokens
    system: NotRequired[Text | Blocks | None]
    stream: NotRequired[bool | None]
    stop_sequences: NotRequired[Annotated[list[Short], Field(fail_fast=True, max_length=16)] | None]
    temperature: NotRequired[Unit | None]
    top_p: NotRequired[Unit | None]
    top_k: NotRequired[Annotated[int, Field(ge=0, le=1_000_000)] | None]
    tools: NotRequired[Tools | None]
    tool_choice: NotRequired[Json | None]
    thinking: NotRequired[Json | None]
    metadata: NotRequired[dict[str, Any] | None]
    service_tier: NotRequired[Literal["auto", "standard_only"] | None]
