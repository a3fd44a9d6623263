"""The request bodies that the gateway accepts, field by field.

An allow-list, because engines have fields of their own that let a caller run templates, read files or share another
caller's cache. Typed dictionaries checked by pydantic: one pass parses and checks, and what was checked is
what the engine receives. They are the source of ``/openapi.json`` too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, with_config
from typing_extensions import TypedDict

closed = with_config(ConfigDict(extra="forbid", strict=True))
"""No field that is not listed; no string where a number belongs."""
opened = with_config(ConfigDict(extra="allow", strict=True))
"""Other fields may come along: what a model said earlier is echoed by clients with fields of their own."""

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Text = str
Short = Annotated[str, StringConstraints(max_length=512)]
Tokens = Annotated[int, Field(ge=1, le=100_000_000)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
Temperature = Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)]
Stops = Short | Annotated[list[Short], Field(fail_fast=True, max_length=16)]
Seed = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Bias = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")], Annotated[float, Field(ge=-100, le=100)]],
    Field(max_length=1024),
]
Metadata = Annotated[dict[Short, Short], Field(max_length=64)]
Json = dict[str, Any]
Texts = Annotated[list[Text], Field(fail_fast=True, min_length=1, max_length=2048)]
TokenId = Annotated[int, Field(ge=0, le=2**31 - 1)]
TokenIds = Annotated[list[TokenId], Field(fail_fast=True, min_length=1)]


@closed
class StreamOptions(TypedDict, total=False):
    """How a stream reports usage."""

    include_usage: bool | None
    include_obfuscation: bool | None
    continuous_usage_stats: bool | None


@closed
class ImageUrl(TypedDict):
    """An image inside the request; engines never fetch addresses on a caller's behalf."""

    url: Annotated[str, StringConstraints(pattern=r"^data:image/[a-z0-9.+-]+;base64,")]
    detail: NotRequired[Literal["auto", "low", "high"]]


@closed
class TextPart(TypedDict):
    """A piece of text in a message."""

    type: Literal["text"]
    text: Text


@closed
class RefusalPart(TypedDict):
    """A model's earlier refusal."""

    type: Literal["refusal"]
    refusal: Text


@closed
class ImagePart(TypedDict):
    """An image in a message."""

    type: Literal["image_url"]
    image_url: ImageUrl


Part = Annotated[TextPart | RefusalPart | ImagePart, Field(discriminator="type")]


@closed
class CalledFunction(TypedDict):
    """The function of an earlier tool call."""

    name: Short
    arguments: Text


@opened
class ToolCall(TypedDict):
    """A tool call that the model made earlier in the conversation."""

    id: NotRequired[Short | None]
    type: NotRequired[Literal["function"]]
    function: CalledFunction


@closed
class Message(TypedDict):
    """One turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: NotRequired[Text | Annotated[list[Part], Field(fail_fast=True, max_length=1024)] | None]
    name: NotRequired[Short | None]
    tool_call_id: NotRequired[Short | None]
    tool_calls: NotRequired[Annotated[list[ToolCall], Field(fail_fast=True, max_length=256)] | None]
    function_call: NotRequired[CalledFunction | None]
    refusal: NotRequired[Text | None]
    reasoning_content: NotRequired[Text | None]
    annotations: NotRequired[Annotated[list[Json], Field(fail_fast=True, max_length=1024)] | None]
    audio: NotRequired[None]


@closed
class Function(TypedDict):
    """A function that the model may call; ``parameters`` is a JSON Schema."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
    description: NotRequired[Text | None]
    parameters: NotRequired[Json | None]
    strict: NotRequired[bool | None]


@closed
class Tool(TypedDict):
    """A tool that the model may call."""

    type: Literal["function"]
    function: Function


@closed
class NamedFunction(TypedDict):
    """The name of a function."""

    name: Short


@closed
class NamedTool(TypedDict):
    """The one tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


@closed
class JsonSchema(TypedDict):
    """The shape that the answer must have."""

    name: Short
    description: NotRequired[Text | None]
    schema: NotRequired[Json | None]
    strict: NotRequired[bool | None]


@closed
class TextFormat(TypedDict):
    """Any text, or any JSON object."""

    type: Literal["text", "json_object"]


@closed
class SchemaFormat(TypedDict):
    """JSON of a given schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


ResponseFormat = Annotated[TextFormat | SchemaFormat, Field(discriminator="type")]


_RENDERERS_OWN = frozenset(
    {
        "add_generation_prompt",
        "chat_template",
        "continue_final_message",
        "conversation",
        "documents",
        "max_length",
        "padding",
        "return_assistant_tokens_mask",
        "return_dict",
        "return_tensors",
        "tokenize",
        "tokenizer_kwargs",
        "tools",
        "truncation",
    }
)
"""Arguments of the function that renders templates; engines let some of them through, and fail or worse."""


def _for_templates(arguments: dict[str, Any]) -> dict[str, Any]:
    taken = sorted(_RENDERERS_OWN & arguments.keys())
    if taken:
        msg = f"{', '.join(taken)}: not for callers to set"
        raise ValueError(msg)
    return arguments


TemplateArguments = Annotated[
    dict[Short, bool | int | float | Short], Field(max_length=16), AfterValidator(_for_templates)
]
"""Switches of a model's own chat template, such as ``enable_thinking``."""


class Sampling(TypedDict, total=False):
    """What chat and text completions share: OpenAI's fields, and vLLM's that only shape the sampling."""

    stream: bool | None
    stream_options: StreamOptions | None
    temperature: Temperature | None
    top_p: Unit | None
    n: Count | None
    max_tokens: Tokens | None
    stop: Stops | None
    seed: Seed | None
    presence_penalty: Penalty | None
    frequency_penalty: Penalty | None
    logit_bias: Bias | None
    user: Short | None
    top_k: Annotated[int, Field(ge=-1, le=1_000_000)] | None
    min_p: Unit | None
    repetition_penalty: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None
    min_tokens: Annotated[int, Field(ge=0, le=100_000_000)] | None
    ignore_eos: bool | None
    skip_special_tokens: bool | None
    stop_token_ids: Annotated[list[TokenId], Field(fail_fast=True, max_length=128)] | None


@closed
class ChatRequest(Sampling):
    """``POST /v1/chat/completions``."""

    model: ModelName
    messages: Annotated[list[Message], Field(fail_fast=True, min_length=1, max_length=10_000)]
    max_completion_tokens: NotRequired[Tokens | None]
    logprobs: NotRequired[bool | None]
    top_logprobs: NotRequired[Annotated[int, Field(ge=0, le=20)] | None]
    tools: NotRequired[Annotated[list[Tool], Field(fail_fast=True, max_length=128)] | None]
    tool_choice: NotRequired[Literal["none", "auto", "required"] | NamedTool | None]
    parallel_tool_calls: NotRequired[bool | None]
    response_format: NotRequired[ResponseFormat | None]
    reasoning_effort: NotRequired[Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None]
    chat_template_kwargs: NotRequired[TemplateArguments | None]
    metadata: NotRequired[Metadata | None]
    store: NotRequired[Literal[False] | None]
    service_tier: NotRequired[Literal["auto", "default"] | None]


@closed
class CompletionRequest(Sampling):
    """``POST /v1/completions``."""

    model: ModelName
    prompt: Text | Texts | TokenIds
    suffix: NotRequired[None]
    best_of: NotRequired[Count | None]
    echo: NotRequired[bool | None]
    logprobs: NotRequired[Annotated[int, Field(ge=0, le=20)] | None]


@closed
class EmbeddingRequest(TypedDict):
    """``POST /v1/embeddings``."""

    model: ModelName
    input: Text | Texts | TokenIds | Annotated[list[TokenIds], Field(fail_fast=True, min_length=1, max_length=2048)]
    encoding_format: NotRequired[Literal["float", "base64"] | None]
    dimensions: NotRequired[Count | None]
    user: NotRequired[Short | None]
