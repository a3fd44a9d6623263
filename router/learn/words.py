"""What words and pieces of words say about a prompt: hashed counts, weighted by rarity, into a few linear scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from router.learn import ridge
from router.learn.ridge import BITS, Rows
from router.learn.text import Scan, grams, pieces

Floats = NDArray[np.float64]
Buckets = NDArray[np.int64]

STEPS: Final = 25
"""Of conjugate gradients; more change nothing that shows."""

_FINEST: Final = 127
"""A byte for each weight: hundreds are added up, and their errors with them, to nothing."""
_SHIFT: Final = np.uint64(64 - BITS)


def buckets(found: Scan, salt: int = 0) -> Buckets:
    """The buckets that a text's words, pairs of words and pieces of four bytes fill, each once."""
    parts = (grams(found.hashes, salt),) if salt else (grams(found.hashes), pieces(found.data))
    filled = np.concatenate([(part >> _SHIFT).astype(np.uint16) for part in parts])
    filled.sort(kind="stable")  # of two bytes: by radix
    first = np.ones(len(filled), np.bool_)
    np.not_equal(filled[1:], filled[:-1], out=first[1:])
    return filled[first].astype(np.int64)


@dataclass(frozen=True, slots=True)
class Words:
    """Linear scores of a text."""

    rarity: NDArray[np.int8]
    """By bucket, in units of ``units[0]``; 0 for what was hardly ever seen."""
    weights: NDArray[np.int8]
    """[score, bucket], with the rarity in it, in units of ``units[1:]``."""
    units: Floats

    def one(self, filled: Buckets) -> Floats:
        """Every score of one text."""
        norm = float(np.linalg.norm(self.rarity.take(filled).astype(np.float32))) * self.units[0] + 1e-6
        return np.asarray(self.weights.take(filled, 1).sum(1, dtype=np.int32) * self.units[1:] / norm)

    def many(self, texts: Sequence[Buckets]) -> Floats:
        """Of many; [text, score]."""
        return np.stack([self.one(text) for text in texts])


def fit(texts: Sequence[Buckets], wanted: Sequence[Floats], strength: float) -> Words:
    """Learn one score for each row of ``wanted``; scores are about the mean."""
    rarity = ridge.inverse_frequency(texts)
    rows: Rows = ridge.rows_of(texts, rarity)
    weights = [ridge.solve(rows, wish - wish.mean(), strength, STEPS) * rarity for wish in wanted]
    scaled = np.array([rarity, *weights])
    units = np.abs(scaled).max(1) / _FINEST + 1e-12
    small = np.rint(scaled / units[:, None]).astype(np.int8)
    return Words(small[0], small[1:], units)


def out_of_fold(
    texts: Sequence[Buckets], wanted: Sequence[Floats], strength: float, folds: NDArray[np.int64]
) -> Floats:
    """Scores [text, score] by models that have not seen the text's fold."""
    found = np.zeros((len(texts), len(wanted)))
    for fold in np.unique(folds):
        held, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        model = fit([texts[at] for at in rest], [wish[rest] for wish in wanted], strength)
        found[held] = model.many([texts[at] for at in held])
    return found
