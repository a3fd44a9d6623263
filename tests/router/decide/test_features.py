"""What a request needs, as far as its body tells."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.spec import Capability, Limits
from router.decide.facts import Ask
from router.decide.features import to_tokenize, understand
from router.wire.endpoints import ENDPOINTS, Kind
from router.wire.parse import parse
from tests.router.wire.test_fields import PICTURE
from tests.router.wire.test_parse import SOMEONE

TOOL = {"type": "function", "function": {"name": "f"}}
SOURCE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def understood(path: str, **fields: Any) -> Ask:  # noqa: ANN401 - any JSON
    """What the gateway makes of a body."""
    endpoint = ENDPOINTS[f"/v1/{path}"]
    return understand(endpoint, parse(endpoint, orjson.dumps({**SOMEONE[path], **fields}), Limits()))


def user(content: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    """One message."""
    return [{"role": "user", "content": content}]


NEEDS: dict[str, tuple[str, dict[str, Any], set[Capability]]] = {
    "chat": ("chat/completions", {}, set()),
    "tools": ("chat/completions", {"tools": [TOOL]}, {Capability.TOOLS}),
    "no-tools": ("chat/completions", {"tools": []}, set()),
    "null-tools": ("chat/completions", {"tools": None}, set()),
    "tools-not-now": ("chat/completions", {"tools": [TOOL], "tool_choice": "none"}, set()),
    "json": ("chat/completions", {"response_format": {"type": "json_object"}}, {Capability.JSON_SCHEMA}),
    "text": ("chat/completions", {"response_format": {"type": "text"}}, set()),
    "null-format": ("chat/completions", {"response_format": None}, set()),
    "picture": (
        "chat/completions",
        {"messages": user([{"type": "image_url", "image_url": {"url": PICTURE}}])},
        {Capability.VISION},
    ),
    "responses-picture": (
        "responses",
        {"input": user([{"type": "input_image", "image_url": PICTURE}])},
        {Capability.VISION},
    ),
    "responses-json": ("responses", {"text": {"format": {"type": "json_schema"}}}, {Capability.JSON_SCHEMA}),
    "responses-null": ("responses", {"text": None}, set()),
    "messages-picture": ("messages", {"messages": user([{"type": "image", "source": SOURCE}])}, {Capability.VISION}),
    "messages-tools": ("messages", {"tools": [{"name": "f", "input_schema": {}}]}, {Capability.TOOLS}),
}


@pytest.mark.parametrize(("path", "fields", "expected"), NEEDS.values(), ids=NEEDS)
def test_needs(path: str, fields: dict[str, Any], expected: set[Capability]) -> None:
    """Tools, JSON and pictures are seen in every dialect."""
    assert understood(path, **fields).needs == {Capability.CHAT, *expected}


ANSWERS: dict[str, tuple[str, dict[str, Any], int]] = {
    "none": ("chat/completions", {}, 0),
    "old": ("chat/completions", {"max_tokens": 7}, 7),
    "new": ("chat/completions", {"max_completion_tokens": 7}, 7),
    "both": ("chat/completions", {"max_tokens": 5, "max_completion_tokens": 7}, 7),
    "completion": ("completions", {"max_tokens": 7}, 7),
    "responses": ("responses", {"max_output_tokens": 7}, 7),
    "messages": ("messages", {"max_tokens": 7}, 7),
    "embeddings": ("embeddings", {}, 0),
}


@pytest.mark.parametrize(("path", "fields", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_the_answers_limit(path: str, fields: dict[str, Any], expected: int) -> None:
    """The limit of the answer is read where each API has it."""
    assert understood(path, **fields).answer_tokens == expected


@given(st.text(st.characters(codec="utf-8"), max_size=200), st.sampled_from(sorted(SOMEONE)))
def test_no_text_has_more_tokens_than_bytes(text: str, path: str) -> None:
    """The estimate never exceeds the bound, and the bound counts every byte of the text."""
    field = {"completions": {"prompt": text}, "embeddings": {"input": text}, "responses": {"input": text}}
    ask = understood(path, **field.get(path, {"messages": user(text)}))
    assert ask.prompt_tokens <= ask.most_tokens
    assert ask.most_tokens >= len(text.encode())


@pytest.mark.parametrize("path", ["completions", "embeddings"], ids=str)
def test_tokens_need_no_estimate(path: str) -> None:
    """A prompt of token ids is counted exactly; of several the longest matters."""
    field = "prompt" if path == "completions" else "input"
    ask = understood(path, **{field: [1, 2, 3]})
    assert (ask.counted, ask.prompt_tokens) == (True, 3)


def test_what_is_said_about_tools_counts() -> None:
    """Arguments of earlier calls and descriptions of tools are part of the prompt."""
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "x" * 400}}
    said = [*user("x"), {"role": "assistant", "content": None, "tool_calls": [call]}]
    plain = understood("chat/completions").most_tokens
    assert understood("chat/completions", messages=said).most_tokens > plain + 400
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 400}}
    assert understood("chat/completions", tools=[tool]).most_tokens > plain + 400


def test_what_the_tokenizer_is_asked() -> None:
    """The tokenizer gets the longest text in bytes, which may be the shorter one in characters."""
    assert to_tokenize(Kind.EMBEDDING, {"input": ["x" * 30, "👍" * 20]}) == {"prompt": "👍" * 20}
    assert to_tokenize(Kind.COMPLETION, {"prompt": [1, 2]}) is None
    assert to_tokenize(Kind.RESPONSES, {"input": "x"}) is None
