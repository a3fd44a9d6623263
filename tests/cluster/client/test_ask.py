"""An answer carries who gave it, why, and what it measured."""

from __future__ import annotations

import pytest

from cluster.client.ask import Answer, Question, ask, ask_streaming
from cluster.client.http import Endpoint
from tests.openai_server import USAGE, WORDS, openai_server

QUESTION = Question([{"role": "user", "content": "Hello"}])


def test_a_whole_answer_knows_who_gave_it() -> None:
    """Model, tier and reason come from the gateway's headers, tokens from the usage."""
    with openai_server() as url:
        answer = ask(Endpoint(url), QUESTION)
    assert (answer.model, answer.tier, answer.reason) == ("stub", "small", "short")
    assert (answer.text, answer.completion_tokens) == ("".join(WORDS), USAGE["completion_tokens"])
    assert answer.ttft_s is None
    assert answer.tpot_s is None


def test_a_streamed_answer_comes_in_pieces() -> None:
    """Each piece is handed over as it comes, and the first one stops the clock of the TTFT."""
    pieces: list[str] = []
    with openai_server() as url:
        answer = ask_streaming(Endpoint(url), QUESTION, pieces.append)
    assert [piece for piece in pieces if piece] == list(WORDS)
    assert answer.text == "".join(WORDS)
    assert answer.ttft_s is not None
    assert 0 < answer.ttft_s <= answer.total_s


@pytest.mark.parametrize(
    ("ttft_s", "tokens", "expected"),
    [(0.5, 11, 0.15), (0.5, 1, None), (None, 11, None)],
    ids=["eleven tokens", "one token", "not streamed"],
)
def test_time_per_output_token_needs_two_tokens(ttft_s: float | None, tokens: int, expected: float | None) -> None:
    """TPOT divides what comes after the first token by the tokens after the first."""
    answer = Answer("", "m", "small", "", 2.0, 5, tokens, ttft_s)
    assert answer.tpot_s == (None if expected is None else pytest.approx(expected))
