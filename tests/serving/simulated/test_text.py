"""The tokenizer and the salad agree with each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.simulated.text import saying, tokens


@given(st.text())
def test_tokens_are_the_text(text: str) -> None:
    """Whatever it is, nothing is lost or added."""
    assert "".join(tokens(text)) == text


@pytest.mark.parametrize("start", [0, 17, 4095])
def test_what_is_said_is_cut_into_what_was_said(start: int) -> None:
    """So many tokens were written, so many are read."""
    assert len(tokens(saying(start, 500))) == 500
