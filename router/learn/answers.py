"""What the small model's own answer betrays: its length, doubts, repetitions, and whether it ends with a result."""

from __future__ import annotations

from typing import Final

import numpy as np

from router.learn.features import Row, features
from router.learn.options import choice
from router.learn.text import Hashes, Scan, mixed, scan, word_hash

SALT: Final = 0x5BF03635
"""Keeps an answer's words apart from a prompt's."""

_DOUBT: Final = (
    "however but although unclear cannot unable sorry might may perhaps probably possibly likely seems assume"
)
_DOUBTS: Final = np.array(sorted(word_hash(word) for word in _DOUBT.split()), np.uint64)


def answer_features(prompt: str, asked: Scan, text: str, parsed: str) -> tuple[Row, Scan]:
    """The numbers of one answer, and the answer taken apart; ``parsed`` is the result that was read out of it."""
    found, result = scan(text), parsed.strip()
    parts = features(found), _signs(asked, found, text, result), choice(prompt, text, result)
    return np.concatenate(parts, dtype=np.float32), found


def _signs(asked: Scan, found: Scan, text: str, result: str) -> tuple[float, ...]:
    """Stated, read out, repetition, echo of the prompt, doubts, ended, how far from the end, where, count, which."""
    words = max(len(found.hashes), 1)
    runs = _triples(found.hashes)
    lower = text.lower()
    place = lower.rfind("answer is")
    return (
        float(place >= 0),
        float(bool(result)),
        1 - len(np.unique(runs)) / max(len(runs), 1),
        np.count_nonzero(np.isin(found.hashes, asked.hashes)) / words,
        float(np.log1p(np.count_nonzero(np.isin(found.hashes, _DOUBTS)))),
        float(text.rstrip()[-1:] in {".", ")", "]", "!", "`", "}"}),
        float(np.log1p(len(lower) - place) if place >= 0 else -1),
        place / len(lower) if lower else 0.0,
        float(lower.count("answer")),
        float(ord(result) - ord("A")) if len(result) == 1 else -1.0,
    )


def _triples(hashes: Hashes) -> Hashes:
    """Each three words in a row."""
    return mixed(mixed(hashes[:-2] * np.uint64(3) + hashes[1:-1]) + hashes[2:])
