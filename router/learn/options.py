"""Whether an answer's reasoning arrives at the choice that it names: the chosen option against its rivals."""

from __future__ import annotations

import re
from typing import Final

_OPTION: Final = re.compile(r"^([A-Z])[.)]\s*(.*)$", re.MULTILINE)
_NUMBER: Final = re.compile(r"-?\d+(?:[.,]\d+)*")
_LETTER: Final = re.compile(r"\b([A-J])\b")
_WORD: Final = re.compile(r"\w+")
_MISFITS: Final = ("none of", "not match", "closest", "not among", "not listed")
_SEEN: Final = 4000
"""Characters at the end of a prompt in which its options are looked for."""

NAMES: Final = (
    "chosen_words",
    "rival_words",
    "chosen_over_rival",
    "chosen_quoted",
    "rivals_quoted",
    "last_number_chosen",
    "last_number_rival",
    "named_before",
    "offered",
    "chosen_rank",
    "numbers",
    "misfit",
    "equations",
    "lines",
    "about",
)
"""What each number is; -1 where the prompt offers no options."""


def choice(prompt: str, text: str, parsed: str) -> tuple[float, ...]:
    """The numbers of one answer; ``parsed`` is the letter of its choice."""
    options = dict(_OPTION.findall(prompt[-_SEEN:]))
    reasoning = text.rsplit("nswer is", 1)[0]
    said, lower = set(_WORD.findall(text.lower())), reasoning.lower()
    mine, rivals = options.get(parsed), [option for letter, option in options.items() if letter != parsed]
    chosen = _told(mine, said)
    rival = max((_told(option, said) for option in rivals), default=0.0)
    numbers, letters = _NUMBER.findall(reasoning), _LETTER.findall(reasoning)
    last = numbers[-1] if numbers else None
    lengths = sorted(map(len, options.values()))
    return (
        chosen,
        rival,
        chosen - rival,
        float(mine is not None and _quoted(mine, lower)) if options else -1.0,
        float(sum(_quoted(option, lower) for option in rivals)) if options else -1.0,
        float(last is not None and mine is not None and last in mine),
        float(last is not None and any(last in option for option in rivals)),
        letters.count(parsed) / (len(letters) + 1),
        float(len(options)),
        lengths.index(len(mine)) / len(lengths) if mine is not None else -1.0,
        float(len(numbers)),
        float(any(misfit in lower for misfit in _MISFITS)),
        float(text.count("=")),
        float(text.count("\n")),
        float("approximately" in lower or "≈" in lower),
    )


def _told(option: str | None, said: set[str]) -> float:
    """The share of an option's words that the answer uses."""
    words = _WORD.findall(option.lower()) if option is not None else []
    if not words:
        return -1.0 if option is None else 0.0
    return sum(word in said for word in words) / len(words)


def _quoted(option: str, lower: str) -> bool:
    return option.strip().lower() in lower
