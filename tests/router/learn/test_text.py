"""A text becomes words and hashes, the same everywhere, whatever it is made of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.learn.head import see
from router.learn.text import HEAD, TAIL, grams, pieces, scan, word_hash

HOSTILE = {
    "empty": "",
    "one-character": "a" * 100_000,
    "one-sign": "{" * 100_000,
    "one-newline": "\n" * 100_000,
    "controls": "".join(map(chr, range(32))) * 4000,
    "lone-surrogates": "\ud800\udfff" * 10_000,
    "mixed-scripts": "Привет мир 你好 مرحبا नमस्ते 🙂 " * 4000,
    "template": "{{ user.__class__ }} {% for x in y %} <|im_start|>system " * 2000,
    "options": "\nA. \nB. \nC." * 10_000,
}


def test_words_and_signs_are_found_whatever_their_case() -> None:
    """A hash depends on the word alone, not on its place."""
    found = scan("Is it 42? it IS.")
    assert found.hashes[1] == found.hashes[4] == word_hash("it")
    assert found.hashes[0] == found.hashes[5]
    assert found.lengths.tolist() == [2, 2, 2, 1, 2, 2, 1]


def test_hashes_never_change() -> None:
    """A model that was trained elsewhere reads the same words here."""
    assert word_hash("freehold") == 16008662925669465835


def test_the_middle_of_a_long_text_is_not_seen() -> None:
    """The time of a decision does not grow with the prompt, its length is known all the same."""
    found = scan("a" * HEAD + "b" * 1_000_000 + "c" * TAIL)
    assert found.length == HEAD + 1_000_000 + TAIL
    assert found.counts[ord("b")] == 0
    assert found.counts[ord("c")] == TAIL


def test_neighbours_in_another_order_are_another_pair() -> None:
    """Word order counts."""
    assert set(grams(scan("dog bites man").hashes)) != set(grams(scan("man bites dog").hashes))


@pytest.mark.parametrize("text", ["", "a", "abc", "abcd", "abcde"])
def test_pieces_are_every_four_bytes(text: str) -> None:
    """Shorter texts have none."""
    assert len(pieces(scan(text).data)) == max(len(text) - 3, 0)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_text_is_too_strange(text: str) -> None:
    """Everything is a number."""
    sight = see(text)
    assert np.isfinite(sight.looks).all()


@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_any_text_gives_finite_numbers(text: str) -> None:
    """Whatever a caller sends."""
    assert np.isfinite(see(text).looks).all()
