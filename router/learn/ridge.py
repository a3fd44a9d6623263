"""Ridge regression on hashed words and pairs of words, solved by conjugate gradients on sparse rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 16
"""2^16 buckets: few words share one, and their weights take 64 kB."""
BUCKETS: Final = 1 << BITS

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rows:
    """Sparse rows of unit length."""

    count: int
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Floats

    def times(self, weights: Floats) -> Floats:
        """``X w``."""
        return np.bincount(self.rows, self.values * weights[self.columns], self.count).astype(np.float64, copy=False)

    def transposed(self, residual: Floats) -> Floats:
        """``Xᵀ r``."""
        return np.bincount(self.columns, self.values * residual[self.rows], BUCKETS).astype(np.float64, copy=False)


def inverse_frequency(texts: Sequence[NDArray[np.int64]], seldom: int = 2) -> Floats:
    """How much a bucket says: less the more texts fill it, nothing where fewer than ``seldom`` do."""
    often = np.bincount(np.concatenate(texts), minlength=BUCKETS)
    found = np.log((1 + len(texts)) / (1 + often)) + 1
    found[often < seldom] = 0
    return found


def rows_of(texts: Sequence[NDArray[np.int64]], frequency: Floats) -> Rows:
    """Texts as rows of unit length."""
    sizes = np.array([len(text) for text in texts])
    rows = np.repeat(np.arange(len(texts)), sizes)
    columns = np.concatenate(texts)
    values = frequency[columns]
    norms = np.sqrt(np.bincount(rows, values**2, len(texts))) + 1e-9
    return Rows(len(texts), rows, columns, values / norms[rows])


def solve(rows: Rows, wanted: Floats, strength: float, steps: int = 60) -> Floats:
    """The weights that minimise ``|X w - wanted|² + strength |w|²``."""
    dual = np.zeros(rows.count)
    residual = wanted.copy()
    direction, size = residual.copy(), residual @ residual
    for _ in range(steps):
        if size < 1e-12 * rows.count:
            break
        image = rows.times(rows.transposed(direction)) + strength * direction
        step = size / (direction @ image)
        dual += step * direction
        residual -= step * image
        grown = residual @ residual
        direction, size = residual + grown / size * direction, grown
    return rows.transposed(dual)
