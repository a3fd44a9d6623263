"""A stream and the whole answer that it amounts to."""

from __future__ import annotations

from router.wire.assembled import completion_of
from tests.router.doubtful import LAST, ROLE, SAID, plain
from tests.router.engine import COUNTED, DONE, USAGE, event


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


def test_nothing_said_is_an_empty_answer() -> None:
    """A model that ends at once."""
    [choice] = completion_of(b"".join((ROLE, LAST, DONE)))["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "stop")
