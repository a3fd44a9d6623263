"""A pattern that could keep the gateway busy is refused when the file loads; what is let through is quick."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from cluster.spec import Shortcut

TAKEN = {
    "greeting": "(hi|hello)( there)?[!. ]*",
    "two-gaps": ".*opening.*",
    "group": r"my name is (?P<name>\w{1,40})\.?",
    "class": "[a-zäöü]+",
    "no-case-of-its-own": "a{3}",
}
REFUSED = {
    "nested": ("(a+)+", "too long"),
    "nested-deep": ("((a{0,200}){0,200}){0,200}", "too long"),
    "three-gaps": (".*a.*b.*", "too long"),
    "many-options": ("a?" * 20 + "a" * 20, "too long"),
    "many-branches": ("(a|a)" * 20, "too long"),
    "back-reference": (r"(a)\1", "groupref is not"),
    "look-around": ("(?=a)a", "assert is not"),
    "broken": ("(", "unterminated"),
}


@pytest.mark.parametrize("pattern", TAKEN.values(), ids=TAKEN)
def test_usual_patterns_are_taken(pattern: str) -> None:
    """What people write for greetings and opening hours."""
    assert Shortcut(pattern=pattern, answer="x").pattern == pattern


@pytest.mark.parametrize(("pattern", "why"), REFUSED.values(), ids=REFUSED)
def test_endless_patterns_are_refused(pattern: str, why: str) -> None:
    """The message says why."""
    with pytest.raises(ValidationError, match=why):
        Shortcut(pattern=pattern, answer="x")


def test_one_that_never_matches_is_refused() -> None:
    """Neither a pattern nor an example."""
    with pytest.raises(ValidationError, match="neither a pattern nor examples"):
        Shortcut(answer="x")


def test_the_worst_that_is_taken_still_ends() -> None:
    """Two gaps and sixteen choices, on a text that never fits."""
    for pattern in (".*a.*b", "(a|a)" * 16 + "b"):
        assert re.compile(Shortcut(pattern=pattern, answer="x").pattern).fullmatch("a" * 200) is None
