"""Requests from one API to the other and back: nothing that both can say is lost, nothing else slips through."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given

from router.backends.translate.blocks import UntranslatableError
from router.backends.translate.request import GO_ON, obstacle, to_chat, to_messages
from router.backends.translate.tools import ANY_JSON, SCHEMA_JSON
from tests.router.backends.translate.talk import Json, requests

HELLO = {"role": "user", "content": "Hello?"}
PNG = "data:image/png;base64,aGk="
CALL = {"id": "call_1", "type": "function", "function": {"name": "sum", "arguments": '{"a":1}'}}
OTHER = {"id": "call_2", "type": "function", "function": {"name": "sum", "arguments": "no json"}}
SUM = {"type": "function", "function": {"name": "sum", "description": "Adds", "parameters": {"type": "object"}}}
OPEN = {"type": "object", "properties": {"a": {"type": "integer"}}}
CLOSED = {**OPEN, "additionalProperties": False}


def messages(**request: Any) -> Json:  # noqa: ANN401 - fields of a chat request
    """The Messages request for a chat request about nothing."""
    return to_messages({"model": "m", "messages": [HELLO], **request}, 512)


@given(requests())
def test_there_and_back(request: Json) -> None:
    """A chat request comes back from the Messages API as it went: roles, images, tools, results, JSON mode, limits."""
    assert to_chat(to_messages(request, 1)) == request


@given(requests())
def test_back_and_there(request: Json) -> None:
    """And a Messages request from chat."""
    there = to_messages(request, 1)
    assert to_messages(to_chat(there), 1) == there


@given(requests())
def test_turns_alternate_and_begin_with_the_user(request: Json) -> None:
    """Whatever the conversation, Claude gets what it insists on: results of tools first in the turn after the calls."""
    turns = to_messages(request, 1)["messages"]
    assert [turn["role"] for turn in turns] == [("user", "assistant")[at % 2] for at in range(len(turns))]
    for before, after in itertools.pairwise(turns):
        called = [block["id"] for block in before["content"] if block["type"] == "tool_use"]
        kinds = [block.get("tool_use_id") for block in after["content"]]
        assert kinds[: len(called)] == called


CASES: dict[str, tuple[Json, Json]] = {
    "no limit": ({}, {"max_tokens": 512}),
    "newer limit": ({"max_tokens": 9, "max_completion_tokens": 7}, {"max_tokens": 7}),
    "hot": ({"temperature": 1.7, "top_p": 0.3}, {"temperature": 1.0, "top_p": None}),
    "cold": ({"temperature": 0}, {"temperature": 0.0}),
    "top_p": ({"top_p": 0.3}, {"top_p": 0.3, "temperature": None}),
    "top_k off": ({"top_k": -1}, {"top_k": None}),
    "one stop": ({"stop": "END"}, {"stop_sequences": ["END"]}),
    "hints": ({"seed": 1, "presence_penalty": 1, "min_p": 0.1}, {"seed": None, "presence_penalty": None}),
    "private": ({"user": "ann", "metadata": {"a": "b"}}, {"user": None, "metadata": None}),
    "one at a time": (
        {"tools": [SUM], "parallel_tool_calls": False},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    ),
    "any JSON": ({"response_format": {"type": "json_object"}}, {"system": [{"type": "text", "text": ANY_JSON}]}),
    "closed schema": (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": CLOSED}}},
        {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}, "system": None},
    ),
    "text": ({"response_format": {"type": "text"}}, {"output_config": None, "system": None}),
    "streamed": ({"stream": True}, {"stream": True}),
    "whole": ({"stream": False}, {"stream": None}),
}


@pytest.mark.parametrize(("asked", "put"), CASES.values(), ids=CASES)
def test_a_field(asked: Json, put: Json) -> None:
    """What a field becomes; None where it must not be there."""
    found = messages(**asked)
    assert {field: found.get(field) for field in put} == put


def test_an_open_schema_is_asked_for_in_words() -> None:
    """Claude's structured outputs take closed schemas only."""
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": OPEN}}
    found = messages(response_format=wanted)
    assert found["system"][-1]["text"].startswith(SCHEMA_JSON)
    assert "output_config" not in found


def test_a_conversation_with_everything() -> None:
    """System prompts from anywhere come first, parallel results share a turn, what is empty is left out."""
    talk = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "image_url", "image_url": {"url": PNG}}]},
        {"role": "assistant", "content": "", "tool_calls": [CALL, OTHER]},
        {"role": "tool", "tool_call_id": "call_1", "content": "1"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "2"}]},
        {"role": "system", "content": "Now."},
        {"role": "user", "content": "And?"},
        {"role": "assistant", "content": None, "refusal": "No."},
    ]
    found = messages(messages=talk)
    assert [block["text"] for block in found["system"]] == ["Be brief.", "Now."]
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    assert found["messages"] == [
        {"role": "user", "content": [image]},
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "call_1", "name": "sum", "input": {"a": 1}},
                {"type": "tool_use", "id": "call_2", "name": "sum", "input": {"raw_arguments": "no json"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "1"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": "2"},
                {"type": "text", "text": "And?"},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "No."}]},
    ]


def test_the_older_function_calls_find_their_results() -> None:
    """They had no ids; Claude needs them, each its own."""
    call = {"name": "sum", "arguments": "{}"}
    talk = [HELLO] + 2 * [
        {"role": "assistant", "function_call": call},
        {"role": "function", "name": "sum", "content": "3"},
    ]
    turns = messages(messages=talk)["messages"]
    ids = [block["id"] for turn in turns for block in turn["content"] if block["type"] == "tool_use"]
    results = [block["tool_use_id"] for turn in turns for block in turn["content"] if block["type"] == "tool_result"]
    assert ids == results
    assert len(set(ids)) == 2


def test_a_strange_id_is_strange_in_the_same_way_twice() -> None:
    """Claude takes ids of few characters; a call and its result stay together."""
    call = {**CALL, "id": "functions.sum:0"}
    talk = [
        HELLO,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "functions.sum:0", "content": "1"},
    ]
    turns = messages(messages=talk)["messages"]
    assert turns[1]["content"][0]["id"] == turns[2]["content"][0]["tool_use_id"]
    assert turns[1]["content"][0]["id"].replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("talk", "turns"),
    [
        ([{"role": "system", "content": "Hi."}], [("user", "Hi.")]),
        ([{"role": "assistant", "content": "Hi."}], [("user", GO_ON), ("assistant", "Hi.")]),
        ([HELLO, {**HELLO, "content": "You?"}], [("user", "Hello?")]),
    ],
    ids=["system-only", "assistant-first", "user-twice"],
)
def test_odd_conversations_still_begin_with_the_user(talk: list[Json], turns: list[tuple[str, str]]) -> None:
    """OpenAI's API takes them, so they must not fail elsewhere."""
    found = messages(messages=talk)["messages"]
    assert [(turn["role"], turn["content"][0]["text"]) for turn in found] == turns


OBSTACLES: dict[str, tuple[Json, str]] = {
    "n": ({"n": 2}, "n"),
    "logprobs": ({"logprobs": True}, "logprobs"),
    "logit_bias": ({"logit_bias": {"5": 1.0}}, "logit_bias"),
    "white stop": ({"stop": ["END", "\n"]}, "stop"),
    "dotted tool": ({"tools": [{"type": "function", "function": {"name": "a.b"}}]}, "tools"),
    "bitmap": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/bmp;base64,a"}}]}
            ]
        },
        "messages",
    ),
}


@pytest.mark.parametrize(("asked", "param"), OBSTACLES.values(), ids=OBSTACLES)
def test_what_claude_cannot_say_is_refused_by_name(asked: Json, param: str) -> None:
    """Rather than answered in another shape than was asked for."""
    with pytest.raises(UntranslatableError) as caught:
        messages(**asked)
    assert caught.value.param == param


@pytest.mark.parametrize("field", ["n", "logprobs", "logit_bias"])
def test_some_obstacles_are_known_before(field: str) -> None:
    """So that such a request is never sent on its way there."""
    assert obstacle(OBSTACLES[field][0]) == field
    assert obstacle({"n": 1, "logprobs": False}) is None


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://x"}}]}]},
    ],
    ids=["vendors-tool", "image-elsewhere"],
)
def test_what_no_engine_has_is_refused(asked: Json) -> None:
    """The vendor's own tools, and addresses that somebody would have to fetch."""
    with pytest.raises(UntranslatableError):
        to_chat({"messages": [HELLO], "max_tokens": 1, **asked})


def test_a_messages_request_in_strings() -> None:
    """The short forms of the Messages API: strings for content, a system turn in the middle."""
    talk = [HELLO, {"role": "system", "content": "Now."}, {"role": "assistant", "content": "Hi."}]
    found = to_chat({"messages": talk, "system": "Be brief.", "max_tokens": 5})
    both = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Now."}]
    assert found["messages"] == [
        {"role": "system", "content": both},
        HELLO,
        {"role": "assistant", "content": "Hi."},
    ]
