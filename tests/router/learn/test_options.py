"""An answer whose reasoning arrives at its choice looks different from one that guesses."""

from __future__ import annotations

import pytest

from router.learn.options import NAMES, choice

PROMPT = "How many legs do two dogs have?\nA. six legs\nB. 8 legs\nC. twelve legs"


def named(text: str, parsed: str, prompt: str = PROMPT) -> dict[str, float]:
    """The numbers by name."""
    return dict(zip(NAMES, choice(prompt, text, parsed), strict=True))


def test_a_choice_that_the_reasoning_arrives_at() -> None:
    """Its words and its number are in the answer."""
    found = named("Each has 4, so together 8 legs. The answer is (B).", "B")
    assert (found["chosen_words"], found["chosen_quoted"], found["last_number_chosen"]) == (1, 1, 1)
    assert found["chosen_over_rival"] > 0
    assert (found["offered"], found["misfit"]) == (3, 0)


def test_a_choice_that_the_reasoning_contradicts() -> None:
    """The number belongs to a rival, and the answer says that nothing fits."""
    found = named("That makes 8, which is not among the options. The answer is (C).", "C")
    assert (found["last_number_chosen"], found["last_number_rival"], found["misfit"]) == (0, 1, 1)


@pytest.mark.parametrize("parsed", ["", "Z", "42"])
def test_without_a_choice_nothing_is_claimed(parsed: str) -> None:
    """No option was chosen, or there are none."""
    assert named("I cannot say.", parsed)["chosen_words"] == -1
    assert named("I cannot say.", parsed, "Why?")["chosen_quoted"] == -1
