"""Prompts of stated lengths from a seed: tasks of three degrees of difficulty, and filling that costs nothing to make.

Each begins with a number of its own, so that no cache helps but where the fleet file says that one does.
"""

from __future__ import annotations

import random
from itertools import accumulate
from typing import Final

_WORDS: Final = [
    "river",
    "stone",
    "paper",
    "light",
    "garden",
    "winter",
    "number",
    "silver",
    "letter",
    "market",
    "cloud",
    "bridge",
    "copper",
    "window",
    "meadow",
    "harbor",
    "signal",
    "table",
    "forest",
    "candle",
    "valley",
    "button",
    "orange",
    "pencil",
    "island",
    "ladder",
    "mirror",
    "basket",
    "thread",
    "anchor",
    "carpet",
    "kettle",
    "branch",
    "pocket",
    "saddle",
    "tunnel",
    "velvet",
    "wagon",
    "yellow",
]
_TASKS: Final = (
    ("In one sentence, what is this note about?", "Which of these words is the longest?", "Greet the reader of this."),
    (
        "Compare the first half of this text with the second, and list what differs.",
        "Sort these things into groups and give a reason for each group.",
    ),
    (
        "Prove step by step, naming every assumption, how many orders these words can be put in.",
        "Write a Python program that finds the longest chain of words here, and analyse its complexity.",
    ),
)
"""Easy, middling, hard."""
_SHARES: Final = (0.6, 0.25, 0.15)
_POOL: Final = 1 << 16
_SHARED_SEED: Final = 7


class Prompts:
    """Makes them; the same seed makes the same."""

    def __init__(self, per_word: float, overhead: float) -> None:
        """As :mod:`loadtests.sizing` found it: tokens of one of our words, and of all that is none."""
        self._per_word, self._overhead = per_word, overhead
        words = random.Random(_SHARED_SEED).choices(_WORDS, k=_POOL)  # noqa: S311 - words, no secrets
        self._text = " ".join(words)
        self._starts = [0, *accumulate(len(word) + 1 for word in words)]

    def filling(self, words: int, start: int) -> str:
        """So many words from one place of an endless text on."""
        pieces = []
        while words > 0:
            start %= _POOL
            some = min(words, _POOL - start)
            pieces.append(self._text[self._starts[start] : self._starts[start + some] - 1])
            words, start = words - some, 0
        return " ".join(pieces)

    def task(self, draw: random.Random, tokens: int, shared: int = 0) -> str:
        """About so many tokens with the chat's template, of which ``shared`` are the same in every prompt."""
        (degree,) = draw.choices(_TASKS, _SHARES)
        task = draw.choice(degree)
        common = f"{self.filling(round(shared / self._per_word), 0)}\n" if shared else ""
        said = f"{common}Case {draw.getrandbits(40)}. {task}"
        return f"{said}\n{self.filling(self._left(tokens - shared, task), draw.randrange(_POOL))}".rstrip()

    def follow_up(self, draw: random.Random, tokens: int) -> str:
        """The next message of a conversation, of about so many tokens."""
        (degree,) = draw.choices(_TASKS, _SHARES)
        task = draw.choice(degree)
        return f"{task} {self.filling(self._left(tokens, task), draw.randrange(_POOL))}".rstrip()

    def _left(self, tokens: int, task: str) -> int:
        """Words of filling; a task's words are about as long as ours, and a case's number is about five tokens."""
        return max(0, round((tokens - self._overhead) / self._per_word) - len(task.split()) - 5)
