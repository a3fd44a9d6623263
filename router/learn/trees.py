"""Gradient-boosted trees of a fixed depth on binned features, in numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

BINS: Final = 32

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Growth:
    """How the trees grow."""

    trees: int = 200
    depth: int = 3
    rate: float = 0.03
    smallest: float = 20
    """Rows that a leaf holds at least, where it holds any."""
    strength: float = 20
    """Rows by which a leaf is pulled to zero."""
    rows: float = 0.5
    """Share of the rows that a tree sees."""
    columns: float = 0.5
    """Share of the features that a tree sees."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Complete trees; node ``i`` has the children ``2 i + 1`` and ``2 i + 2``."""

    features: NDArray[np.int16]
    """[tree, inner node]"""
    thresholds: NDArray[np.float32]
    """[tree, inner node]; greater goes to the right."""
    leaves: NDArray[np.float32]
    """[tree, leaf]"""

    def one(self, row: NDArray[np.float32]) -> float:
        """The sum of the trees for one row."""
        count, inner = self.features.shape
        features, thresholds, trees = self.features.ravel(), self.thresholds.ravel(), np.arange(count)
        node, root = np.zeros(count, np.int64), trees * inner
        for _ in range((inner + 1).bit_length() - 1):
            at = root + node
            node += node + 1 + (row.take(features.take(at)) > thresholds.take(at))
        return float(self.leaves.ravel().take(trees * (inner + 1) + node - inner).sum())

    def many(self, rows: NDArray[np.float32]) -> Floats:
        """The same for many."""
        found, inner, every = np.zeros(len(rows)), self.features.shape[1], np.arange(len(rows))
        for features, thresholds, leaves in zip(self.features, self.thresholds, self.leaves, strict=True):
            node = np.zeros(len(rows), np.int64)
            for _ in range((inner + 1).bit_length() - 1):
                node = 2 * node + 1 + (rows[every, features[node]] > thresholds[node])
            found += leaves[node - inner]
        return found

    def minus(self, other: Forest) -> Forest:
        """A forest whose sum is the difference."""
        return Forest(
            np.concatenate((self.features, other.features)),
            np.concatenate((self.thresholds, other.thresholds)),
            np.concatenate((self.leaves, -other.leaves)),
        )


def grow(rows: NDArray[np.float32], wanted: Floats, growth: Growth, seed: int) -> Forest:
    """Boost squared error."""
    rng = np.random.default_rng(seed)
    edges = [np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1])) for column in rows.T]
    binned = np.stack([np.searchsorted(edge, column) for edge, column in zip(edges, rows.T, strict=True)], 1)
    inner = 2**growth.depth - 1
    features = np.zeros((growth.trees, inner), np.int16)
    thresholds = np.full((growth.trees, inner), np.inf, np.float32)
    leaves = np.zeros((growth.trees, inner + 1), np.float32)
    residual = wanted.copy()
    picked = max(1, round(rows.shape[1] * growth.columns))
    for tree in range(growth.trees):
        columns = rng.choice(rows.shape[1], picked, replace=False)
        sample = rng.random(len(rows)) < growth.rows
        node = np.zeros(len(rows), np.int64)
        for level in range(growth.depth):
            first, count = 2**level - 1, 2**level
            found, cuts = _splits(binned[sample][:, columns], residual[sample], node[sample] - first, count, growth)
            for at in range(count):
                if found[at] >= 0:
                    column = columns[found[at]]
                    features[tree, first + at] = column
                    thresholds[tree, first + at] = edges[column][cuts[at]]
            chosen = features[tree, node]
            node = 2 * node + 1 + (rows[np.arange(len(rows)), chosen] > thresholds[tree, node])
        leaf = node - inner
        sums = np.bincount(leaf[sample], residual[sample], inner + 1)
        sizes = np.bincount(leaf[sample], minlength=inner + 1)
        leaves[tree] = growth.rate * sums / (sizes + growth.strength)
        residual -= leaves[tree, leaf]
    return Forest(features, thresholds, leaves)


def _splits(
    binned: NDArray[np.int64], residual: Floats, node: NDArray[np.int64], count: int, growth: Growth
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each node the column and the bin after which it splits best; -1 where no split is allowed."""
    columns = binned.shape[1]
    flat = ((node[:, None] * columns + np.arange(columns)) * BINS + binned).ravel()
    shape, size = (count, columns, BINS), count * columns * BINS
    sizes = np.bincount(flat, minlength=size).reshape(shape).cumsum(2).astype(float)
    sums = np.bincount(flat, np.repeat(residual, columns), size).reshape(shape).cumsum(2)
    right_sizes, right_sums = sizes[..., -1:] - sizes, sums[..., -1:] - sums
    gain = sums**2 / (sizes + growth.strength) + right_sums**2 / (right_sizes + growth.strength)
    gain[(sizes < growth.smallest) | (right_sizes < growth.smallest)] = -1
    flat_gain = gain.reshape(count, -1)
    best = flat_gain.argmax(1)
    found, cuts = best // BINS, best % BINS
    return np.where(flat_gain[np.arange(count), best] > 0, found, -1), cuts
