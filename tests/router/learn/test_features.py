"""What the numbers of a prompt say."""

from __future__ import annotations

import pytest

from router.learn.features import NAMES, features
from router.learn.text import scan


def named(text: str) -> dict[str, float]:
    """The numbers by name."""
    return dict(zip(NAMES, map(float, features(scan(text))), strict=True))


@pytest.mark.parametrize(
    ("name", "more", "less"),
    [
        ("length", "a longer text than that", "short"),
        ("digits_share", "12345 + 678", "one plus two"),
        ("code", "def f(x): return x", "the cat sat"),
        ("mathematics", r"\frac{1}{2} of the integer", "a half of it"),
        ("question", "what and why and how", "tell me"),
        ("options", "Which?\nA. x\nB. y\nC. z", "Which?\nA. x\nB. y"),
        ("option_length", "Which?\nA. something long\nB. y", "Which?\nA. x\nB. y"),
        ("indented", "f:\n  a\n  b", "f:\na\nb"),
        ("foreign", "Größe überall", "size everywhere"),
        ("distinct", "all words differ", "word word word"),
    ],
)
def test_a_number_grows_with_what_it_is_named_for(name: str, more: str, less: str) -> None:
    """Each feature tells two prompts apart."""
    assert named(more)[name] > named(less)[name]


def test_every_number_has_one_name() -> None:
    """As many names as numbers, each once."""
    assert len(set(NAMES)) == len(NAMES) == len(features(scan("x")))
