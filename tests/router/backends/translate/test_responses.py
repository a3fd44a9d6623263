"""The Responses API in terms of chat: items there, a response back, whole and event by event."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from router.backends.translate.answer import to_completion
from router.backends.translate.blocks import UntranslatableError
from router.backends.translate.chunks import Chunks
from router.backends.translate.items import chat_of_items
from router.backends.translate.responses import Telling, response_of
from router.backends.translate.ways import obstacle_of
from router.wire.endpoints import Kind
from tests.router.backends.translate.talk import Json, answers, told

EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
PIXEL = "data:image/png;base64,aGk="


def events_of(message: Json, sizes: list[int]) -> list[Json]:
    """What a stream is told as."""
    chunks, telling = Chunks("m", 1), Telling("m", 1)
    fed = [chunk for event in told(message, sizes) for chunk in chunks.feed(event)]
    return [event for chunk in fed for event in telling.feed(chunk)] + telling.end()


@given(answers(), st.lists(st.integers(0, 5), max_size=4))
def test_a_stream_ends_with_what_the_whole_answer_is(message: Json, sizes: list[int]) -> None:
    """However it is cut; and OpenAI's own types read every event of it."""
    events = events_of(message, sizes)
    last = events[-1]["response"]
    assert said(last) == said(response_of(to_completion(message, "m", 1)))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == f"response.{last['status']}"
    for event in events:
        EVENT.validate_python(event)


def said(response: Json) -> Json:
    """A response without what differs by the way that it took; arguments of calls by what they mean."""
    items = [{name: value for name, value in item.items() if name != "arguments"} for item in response["output"]]
    arguments = [json.loads(item["arguments"]) for item in response["output"] if item["type"] == "function_call"]
    return {**response, "output": items, "arguments": arguments}


@given(answers(), st.lists(st.integers(0, 5), max_size=4))
def test_the_pieces_make_the_items(message: Json, sizes: list[int]) -> None:
    """Each delta belongs to an item that is open, and all of them together are what its end tells."""
    heard: dict[str, str] = {}
    for event in events_of(message, sizes):
        if event["type"].endswith(".delta"):
            heard[event["item_id"]] += event["delta"]
        elif event["type"] == "response.output_item.added":
            heard[event["item"]["id"]] = ""
        elif event["type"] in {"response.output_text.done", "response.function_call_arguments.done"}:
            assert heard[event["item_id"]] == event.get("text", event.get("arguments"))
    assert list(heard) == [f"item_{at}" for at in range(len(heard))]


@given(answers())
def test_openai_reads_it(message: Json) -> None:
    """The text, the calls, the counts."""
    completion = to_completion(message, "m", 1)
    response = Response.model_validate(response_of(completion))
    spoken = completion["choices"][0]["message"]
    assert response.output_text == (spoken["content"] or "")
    calls = [item.call_id for item in response.output if item.type == "function_call"]
    assert calls == [call["id"] for call in spoken.get("tool_calls", [])]
    assert response.usage is not None
    assert response.usage.total_tokens == completion["usage"]["total_tokens"]


@pytest.mark.parametrize(
    ("finish", "status", "why"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_how_it_ended(finish: str, status: str, why: Json | None) -> None:
    """OpenAI's words for it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": finish}
    found = response_of({"id": "r", "model": "m", "created": 1, "choices": [choice]})
    assert (found["status"], found["incomplete_details"], found["output"][0]["status"]) == (status, why, status)


def test_a_conversation_of_items() -> None:
    """Every kind that a chat has a place for."""
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    items = [
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": PIXEL}]},
        {"type": "reasoning", "id": "rs", "summary": []},
        call,
        {**call, "call_id": "c2"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "b"}, REFUSED]},
    ]
    found = chat_of_items({"model": "m", "instructions": "i", "input": items, "max_output_tokens": 5, "stream": True})
    function = {"name": "f", "arguments": "{}"}
    assert found == {
        "max_tokens": 5,
        "stream": True,
        "messages": [
            {"role": "system", "content": "i"},
            {"role": "developer", "content": "d"},
            {"role": "user", "content": [{"type": "text", "text": "a"}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": one, "type": "function", "function": function} for one in ("c1", "c2")],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "1"},
            {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "2"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "no"}]},
        ],
    }


REFUSED = {"type": "refusal", "refusal": "no"}
SCHEMA = {"type": "object", "properties": {}}


def test_tools_and_formats_are_nested() -> None:
    """As chat has them."""
    tool = {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
    form = {"type": "json_schema", "name": "n", "schema": SCHEMA}
    asked = {"input": "a", "tools": [tool], "tool_choice": {"type": "function", "name": "f"}, "text": {"format": form}}
    found = chat_of_items(asked)
    assert found == {
        "messages": [{"role": "user", "content": "a"}],
        "tools": [{"type": "function", "function": {key: tool[key] for key in tool if key != "type"}}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tools": [{"type": "function", "name": "f", "parameters": "none"}]}, "tools"),
        ({"tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"text": {"format": {"type": "grammar"}}}, "text"),
        ({"input": [{"type": "file_search_call"}]}, "input"),
        ({"input": [{"role": {}, "content": "a"}]}, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "input"),
        ({"input": [{"role": "user", "content": ["a"]}]}, "input"),
    ],
    ids=str,
)
def test_what_a_chat_has_no_place_for(fields: Json, param: str) -> None:
    """It is told by field, and nothing is sent."""
    with pytest.raises(UntranslatableError) as raised:
        chat_of_items({"input": "a", **fields})
    assert raised.value.param == param


@pytest.mark.parametrize(
    ("fields", "field"),
    [({}, None), ({"tools": [{"type": "web_search"}]}, "tools"), ({"top_logprobs": 1}, "top_logprobs")],
    ids=["nothing", "tools", "logprobs"],
)
def test_some_of_it_is_seen_before_anybody_decides(fields: Json, field: str | None) -> None:
    """So that a request that could go nowhere else is not sent on its way."""
    assert obstacle_of(Kind.RESPONSES, {"input": "a", **fields}) == field
