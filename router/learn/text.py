"""A text → its bytes, words and word hashes, in one pass of numpy; what lies in the middle of a long text is not seen.

Hashes depend on the bytes alone, so that a model trained on one machine scores alike on another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

HEAD: Final = 1280
"""Characters seen at the beginning of a text; prompts seldom are longer, and a decision must not take longer."""
TAIL: Final = 768
"""Characters seen at the end, where the question usually stands."""

Hashes = NDArray[np.uint64]

_ROOM: Final = 4 * (HEAD + TAIL + 1)
_BASE: Final = 0x9E3779B97F4A7C15
_INVERSE: Final = pow(_BASE, -1, 2**64)
_MIX: Final = np.uint64(0xBF58476D1CE4E5B9)
_SHIFT: Final = np.uint64(29)
_PIECE: Final = np.uint64(0xD6E8FEB86659FD93)


def _powers(base: int) -> Hashes:
    steps = np.full(_ROOM, base, np.uint64)
    steps[0] = 1
    return np.cumprod(steps, dtype=np.uint64)


_POWERS: Final = _powers(_BASE)
_INVERSES: Final = _powers(_INVERSE)


def _classes() -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.bool_]]:
    """By byte: its lower case, whether it is part of a word, whether it stands for itself (a sign)."""
    lower = np.arange(256, dtype=np.uint8)
    lower[65:91] += 32
    word = np.zeros(256, np.bool_)
    for first, last in ((48, 57), (65, 90), (97, 122), (128, 255)):
        word[first : last + 1] = True
    sign = ~word
    sign[: ord(" ") + 1] = False
    return lower, word, sign


_LOWER, _WORD, _SIGN = _classes()


@dataclass(frozen=True, slots=True)
class Scan:
    """What was seen of a text."""

    length: int
    """Characters of the whole text."""
    data: NDArray[np.uint8]
    """UTF-8 of what was seen, in lower case."""
    raw: NDArray[np.uint8]
    """The same as it was written."""
    counts: NDArray[np.int64]
    """How often each byte occurs in ``raw``."""
    starts: NDArray[np.int64]
    """Where each word or sign begins in ``data``."""
    lengths: NDArray[np.int64]
    """Bytes of each."""
    hashes: Hashes
    """Of each word or sign, in order."""


def scan(text: str) -> Scan:
    """Take a text apart; any string will do, lone surrogates and control characters included."""
    seen = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n{text[-TAIL:]}"
    raw = np.frombuffer(seen.encode("utf-8", "replace"), np.uint8)
    data = _LOWER.take(raw)
    word, sign = np.zeros(len(raw) + 2, np.bool_), _SIGN.take(raw)
    word[1:-1] = _WORD.take(raw)
    begins = np.flatnonzero((word[1:-1] > word[:-2]) | sign)
    ends = np.flatnonzero((word[1:-1] > word[2:]) | sign) + 1
    sums = np.zeros(len(data) + 1, np.uint64)
    np.multiply(data, _POWERS[: len(data)], out=sums[1:])
    np.cumsum(sums[1:], out=sums[1:])
    hashes = mixed((sums.take(ends) - sums.take(begins)) * _INVERSES.take(begins))
    return Scan(len(text), data, raw, np.bincount(raw, minlength=256), begins, ends - begins, hashes)


def mixed(hashes: Hashes) -> Hashes:
    """Spread every bit over all others."""
    spread = hashes >> _SHIFT
    spread ^= hashes
    spread *= _MIX
    spread ^= spread >> _SHIFT
    return spread


def grams(hashes: Hashes, salt: int = 0) -> Hashes:
    """The words and the pairs of neighbours."""
    pairs = mixed(hashes[:-1] * np.uint64(3) + hashes[1:])
    both = np.concatenate((hashes, pairs))
    return mixed(both + np.uint64(salt)) if salt else both


def word_hash(word: str) -> int:
    """The hash of one word, as :func:`scan` gives it."""
    return int(scan(word).hashes[0])


def pieces(data: NDArray[np.uint8]) -> Hashes:
    """Every four bytes in a row: endings, formulas, and languages without spaces."""
    count = max(len(data) - 3, 0)
    four = np.ndarray((count,), "<u4", data, strides=(1,)).astype(np.uint64)
    four += _PIECE
    four *= _MIX
    return mixed(four)
