"""Log probabilities in a stream's chunks: read, and cut out without a trace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.wire.logprobs import LOWEST, Token, tokens_of, without_logprobs
from tests.router.doubtful import LAST, ROLE, plain, word
from tests.router.engine import COUNTED, DONE, event

TEXTS = st.one_of(
    st.text(),
    st.sampled_from(
        ['"logprobs":{', '},"finish_reason":', '"logprobs": {', "a\n\nb", '\\"logprobs\\":{', "data: x\n\n"]
    ),
)


@given(texts=st.lists(TEXTS, min_size=1, max_size=4), top=st.booleans())
def test_what_is_left_is_what_nobody_asked_for(texts: list[str], top: bool) -> None:
    """Whatever the model writes, also where it writes like a server, byte for byte."""
    events = b"".join((ROLE, *(word(text, -0.5, top=top) for text in texts), LAST, COUNTED, DONE))
    assert without_logprobs(events) == b"".join((ROLE, *map(plain, texts), LAST, COUNTED, DONE))


@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_other_orders_and_spaces_say_the_same(texts: list[str]) -> None:
    """A server that writes its fields otherwise costs a parse, and loses nothing else."""
    cut = without_logprobs(b"".join((*(word(text, -0.5, spaced=True) for text in texts), DONE)))
    assert tokens_of(cut, 9) == []
    deltas = [line for line in cut.split(b"\n\n") if line and line != DONE.strip()]
    assert len(deltas) == len(texts)
    assert cut.endswith(DONE)


@pytest.mark.parametrize("spaced", [False, True], ids=["vLLM", "others"])
def test_tokens_are_read_in_order(spaced: bool) -> None:
    """Each with the likeliest ones in its place."""
    data = b"".join((ROLE, word("a", -0.25, spaced=spaced), word("b", -9999.0, spaced=spaced), DONE))
    assert tokens_of(data, 9) == [Token(-0.25, (-0.25, -3.0)), Token(LOWEST, (-3.0, LOWEST))]


@pytest.mark.parametrize("top", [True, False], ids=["with company", "alone"])
def test_only_the_first_tokens(top: bool) -> None:
    """However many have come."""
    data = b"".join(word("a", -at / 10, top=top) for at in range(9))
    assert [token.logprob for token in tokens_of(data, 3)] == [0.0, -0.1, -0.2]


@given(logprob=st.floats(-30, 0), text=TEXTS)
def test_tokens_alone_are_read_like_others(logprob: float, text: str) -> None:
    """Without company, whatever is written around them."""
    [found] = tokens_of(word(text, logprob, top=False), 9)
    assert found == Token(max(LOWEST, logprob))


def test_tokens_without_company() -> None:
    """Where no likeliest ones were asked for."""
    assert tokens_of(word("a", -0.25, top=False), 9) == [Token(-0.25)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        plain("a"),
        DONE,
        word("a", -1.0)[:-40],
        event({"choices": [{"logprobs": {"content": "top_logprobs"}}], "top_logprobs": []}),
        event({"choices": [{"logprobs": {"content": [{"logprob": "x", "top_logprobs": []}, 1]}}]}),
        event({"choices": "none", "top_logprobs": []}),
        event([{"top_logprobs": []}]),
    ],
    ids=["nothing", "none asked", "ending", "cut", "text", "no numbers", "no choices", "a list"],
)
def test_other_shapes_have_no_tokens(data: bytes) -> None:
    """And nothing fails."""
    assert tokens_of(data, 9) == []
