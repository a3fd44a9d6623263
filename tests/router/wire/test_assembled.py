"""A stream and the whole answer that it amounts to."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.wire.assembled import completion_of
from tests.router.doubtful import LAST, ROLE, SAID, plain
from tests.router.engine import COUNTED, DONE, USAGE, event

Json = dict[str, Any]
STRANGE: list[Json] = [
    {"delta": {"content": "a", "reasoning": "b"}, "logprobs": None, "finish_reason": None},
    {"index": 0, "delta": {"content": "a", "reasoning": "b"}, "logprobs": None, "finish_reason": None},
    {"delta": {"reasoning": "b"}, "logprobs": None, "finish_reason": None},
    {"delta": {"content": "c"}, "finish_reason": None},
    {"delta": {}},
]


def test_a_stream_becomes_a_completion() -> None:
    """Its text, its end, its usage, its name."""
    assert completion_of(b"".join((ROLE, *map(plain, SAID), LAST, COUNTED, DONE))) == {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(SAID)},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
    }


def test_reasoning_and_the_stop_that_was_met_come_along() -> None:
    """Fields of the engine's own."""
    pieces = [{"delta": {"reasoning": "Hm"}}, {"delta": {"reasoning": "m"}}, {"delta": {"content": "Yes"}}]
    events = [event({"choices": [piece]}) for piece in pieces]
    end = event({"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": "END"}]})
    [choice] = completion_of(b"".join((*events, end, DONE)))["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Yes", "reasoning": "Hmm"}
    assert (choice["finish_reason"], choice["stop_reason"]) == ("stop", "END")


@given(
    texts=st.lists(st.text(), max_size=5), others=st.lists(st.sampled_from(STRANGE), max_size=3), at=st.integers(0, 5)
)
def test_all_that_was_said_in_its_order(texts: list[str], others: list[Json], at: int) -> None:
    """Whatever it is, and whatever chunks of other shapes come between."""
    pieces = [*map(plain, texts)]
    pieces[at:at] = [event(json.dumps({"choices": [other]}, separators=(",", ":"))) for other in others]
    [choice] = completion_of(b"".join((ROLE, *pieces, LAST, DONE)))["choices"]
    between = "".join(other["delta"].get("content", "") for other in others)
    assert choice["message"]["content"] == "".join(texts[:at]) + between + "".join(texts[at:])
    assert choice["message"].get("reasoning", "") == "".join(other["delta"].get("reasoning", "") for other in others)


def test_nothing_said_is_an_empty_answer() -> None:
    """A model that ends at once."""
    [choice] = completion_of(b"".join((ROLE, LAST, DONE)))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")
