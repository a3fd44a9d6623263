"""What the small model's own answer betrays: its length, doubts, repetitions, and whether it ends with a result."""

from __future__ import annotations

from typing import Final

import numpy as np

from router.learn.features import Row, features
from router.learn.text import Hashes, Scan, mixed, scan, word_hash

SALT: Final = 0x5BF03635
"""Keeps an answer's words apart from a prompt's."""

_DOUBT: Final = (
    "however but although unclear cannot unable sorry might may perhaps probably possibly likely seems assume "
)
_DOUBTS: Final = np.array(sorted(word_hash(word) for word in _DOUBT.split()), np.uint64)
_ENDS: Final = 12
"""Words at the end in which a result is stated."""

NAMES: Final = (
    "stated",
    "parsed",
    "repeated",
    "echo",
    "doubts",
    "closed",
    "ending",
    "result_place",
    "results",
    "options",
)


def answer_features(prompt: Scan, text: str, parsed: str) -> tuple[Row, Scan]:
    """The numbers of one answer, and the answer taken apart; ``parsed`` is the result that was read out of it."""
    found = scan(text)
    return np.concatenate((features(found), _signs(prompt, found, text, parsed)), dtype=np.float32), found


def _signs(prompt: Scan, found: Scan, text: str, parsed: str) -> tuple[float, ...]:
    words = max(len(found.hashes), 1)
    runs = pairs(found.hashes)
    lower = text.lower()
    place = lower.rfind("answer is")
    return (
        float(place >= 0),
        float(bool(parsed.strip())),
        1 - len(np.unique(runs)) / max(len(runs), 1),
        np.count_nonzero(np.isin(found.hashes, prompt.hashes)) / words,
        float(np.log1p(np.count_nonzero(np.isin(found.hashes, _DOUBTS)))),
        float(text.rstrip()[-1:] in {".", ")", "]", "!", "`", "}"}),
        float(np.log1p(len(text) - place) if place >= 0 else -1),
        place / len(text) if text else 0.0,
        float(lower.count("answer")),
        float(ord(parsed.strip()[0]) - ord("A")) if len(parsed.strip()) == 1 else -1.0,
    )


def pairs(hashes: Hashes) -> Hashes:
    """Each three words in a row."""
    return mixed(mixed(hashes[:-2] * np.uint64(3) + hashes[1:-1]) + hashes[2:])


def ending(found: Scan) -> Hashes:
    """The last words."""
    return found.hashes[-_ENDS:]
