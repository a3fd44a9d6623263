"""Prompts with a difficulty that can be learned: arithmetic gains by the strong model, capitals do not."""

from __future__ import annotations

import random

from router.learn.labels import Answer, Label

_LANDS = ("France", "Italy", "Spain", "Chad", "Peru", "Japan", "Kenya", "Norway")


def labels(count: int, seed: int = 0, pair: str = "weak -> strong") -> list[Label]:
    """Half of each kind; of arithmetic the weak model answers a fifth, of the rest nine tenths."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [_label(number, rng, pair) for number in range(count)]


def _label(number: int, rng: random.Random, pair: str) -> Label:
    hard = rng.random() < 0.5
    sum_of = f"Calculate {rng.randint(100, 999)} * {rng.randint(100, 999)} and explain each step."
    prompt = (
        sum_of if hard else f"What is the capital of {rng.choice(_LANDS)}? Asked for the {rng.randint(1, 99)}th time."
    )
    weak = float(rng.random() < (0.2 if hard else 0.9))
    topic = "sums" if hard else "capitals"
    return Label(f"{pair}/{number}", prompt, weak, float(rng.random() < 0.95), pair, topic, f"{number}")


def answers(of: list[Label]) -> dict[str, Answer]:
    """An answer that gives away whether it is right."""
    right, wrong = (
        Answer("So the answer is (B).", "B"),
        Answer("I cannot tell, perhaps it may be so, however unclear", ""),
    )
    return {label.id: right if label.weak else wrong for label in of}
