"""Completions in terms of chat."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from router.backends.translate.answer import to_completion
from router.backends.translate.blocks import UntranslatableError
from router.backends.translate.chunks import Chunks
from router.backends.translate.texts import chat_of_text, text_of_chat, text_of_chunk
from router.backends.translate.ways import obstacle_of
from router.wire.endpoints import Kind
from tests.router.backends.translate.talk import Json, answers, told


@pytest.mark.parametrize("prompt", ["Once", ["Once"]], ids=["text", "list of one"])
def test_the_prompt_is_a_turn_of_the_users(prompt: object) -> None:
    """What shapes the sampling comes along, what only a completion has does not."""
    asked = {"model": "m", "prompt": prompt, "max_tokens": 5, "echo": False, "best_of": 1, "logprobs": None}
    assert chat_of_text(asked) == {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Once"}]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt"),
        ({"prompt": [1]}, "prompt"),
        ({"best_of": 2}, "best_of"),
        ({"echo": True}, "echo"),
        ({"logprobs": 0}, "logprobs"),
    ],
    ids=str,
)
def test_what_a_chat_cannot_say(fields: Json, param: str) -> None:
    """It is seen before anybody decides, too."""
    request = {"prompt": "a", **fields}
    assert obstacle_of(Kind.COMPLETION, request) == param
    with pytest.raises(UntranslatableError, match=param):
        chat_of_text(request)


@pytest.mark.parametrize("field", ["n", "logit_bias"], ids=str)
def test_what_chats_cannot_say_either(field: str) -> None:
    """The obstacles of a chat are a completion's as well."""
    assert obstacle_of(Kind.COMPLETION, {"prompt": "a", "n": 2 if field == "n" else 1, "logit_bias": {"1": 1}}) == field


@given(answers(), st.lists(st.integers(0, 5), max_size=4))
def test_a_stream_says_what_the_whole_answer_says(message: Json, sizes: list[int]) -> None:
    """However it is cut; OpenAI's own type reads the whole one."""
    whole = Completion.model_validate(text_of_chat(to_completion(message, "m", 1)))
    chunks = Chunks("m", 1)
    fed = [text_of_chunk(chunk) for event in told(message, sizes) for chunk in chunks.feed(event)]
    pieces = [chunk["choices"][0] for chunk in fed if chunk and chunk["choices"]]
    assert "".join(piece["text"] for piece in pieces) == whole.choices[0].text
    assert [piece["finish_reason"] for piece in pieces if piece["finish_reason"]] == [whole.choices[0].finish_reason]
    assert fed[-1] is not None
    assert fed[-1]["usage"] == text_of_chat(to_completion(message, "m", 1))["usage"]
