"""Answers, whole and streamed, from one API to the other and back."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from anthropic.types import StopReason
from hypothesis import given
from hypothesis import strategies as st

from router.backends.translate.answer import FINISH, to_completion, to_message
from router.backends.translate.chunks import Chunks
from router.backends.translate.events import Events
from tests.router.backends.translate.talk import Json, answers, assembled, heard, told

SIZES = st.lists(st.integers(0, 5), max_size=4)


def chunks_of(events: list[Json]) -> list[Json]:
    """A Messages stream as a chat stream."""
    chunks = Chunks("m", 1)
    return [chunk for event in events for chunk in chunks.feed(event)]


@given(answers())
def test_there_and_back(message: Json) -> None:
    """A message comes back from a chat completion as it went: text, thoughts, calls, stop, every count of tokens."""
    assert to_message(to_completion(message, "m", 1), "m") == message


@given(answers(), SIZES)
def test_a_stream_says_what_the_whole_answer_says(message: Json, sizes: list[int]) -> None:
    """However it is cut into pieces."""
    whole = to_completion(message, "m", 1)
    choice, streamed = whole["choices"][0], assembled(chunks_of(told(message, sizes)))
    spoken = choice["message"]
    assert streamed["content"] == (spoken["content"] or "")
    assert streamed["reasoning_content"] == spoken.get("reasoning_content", "")
    assert streamed["usage"] == whole["usage"]
    assert (streamed["finish_reason"], streamed["stop_reason"]) == (choice["finish_reason"], choice.get("stop_reason"))
    calls = [(call["id"], call["name"], json.loads(call["arguments"])) for call in streamed["tool_calls"]]
    assert calls == [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in spoken.get("tool_calls", [])
    ]


@given(answers(), SIZES)
def test_a_stream_there_and_back(message: Json, sizes: list[int]) -> None:
    """Events → chunks → events: a client of either API hears the same answer."""
    events = Events("m")
    back = [event for chunk in chunks_of(told(message, sizes)) for event in events.feed(chunk)] + events.end()
    assert heard(back) == message
    indices = [event["index"] for event in back if event["type"] == "content_block_start"]
    assert indices == list(range(len(message["content"])))


@pytest.mark.parametrize("reason", [*get_args(StopReason), "something new", None], ids=str)
def test_every_stop_reason_has_a_meaning(reason: str | None) -> None:
    """Those of the vendor's own library, those to come, and none."""
    message: Json = {"id": "m", "content": [{"type": "text", "text": "Hi"}], "stop_reason": reason, "usage": {}}
    found = to_completion(message, "m", 1)["choices"][0]["finish_reason"]
    assert found == FINISH.get(str(reason), "stop")
    assert (reason in FINISH) is (reason in get_args(StopReason))
    assert found in {"stop", "length", "tool_calls", "content_filter"}


def test_cache_reads_are_part_of_the_prompt() -> None:
    """Anthropic counts them apart; OpenAI, and so our price, inside."""
    usage = {
        "input_tokens": 10,
        "cache_read_input_tokens": 90,
        "cache_creation_input_tokens": 7,
        "output_tokens": 5,
    }
    found = to_completion({"content": [], "usage": usage}, "m", 1)["usage"]
    assert (found["prompt_tokens"], found["completion_tokens"], found["total_tokens"]) == (107, 5, 112)
    assert found["prompt_tokens_details"] == {"cached_tokens": 90, "cache_creation_tokens": 7}


def test_a_refusal_is_told_as_one() -> None:
    """With what was said before it."""
    message = {"content": [{"type": "text", "text": "I "}], "stop_reason": "refusal", "usage": {}}
    choice = to_completion(message, "m", 1)["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("I ", "content_filter")


def test_an_input_that_came_at_once_is_streamed() -> None:
    """Some servers put a call's whole input into the block's start."""
    block = {"type": "tool_use", "id": "c", "name": "sum", "input": {"a": 1}}
    chunks = chunks_of(
        [
            {"type": "message_start", "message": {"id": "m"}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_stop", "index": 0},
            {"type": "kind to come"},
        ]
    )
    assert assembled(chunks)["tool_calls"] == [{"id": "c", "name": "sum", "arguments": '{"a":1}'}]
