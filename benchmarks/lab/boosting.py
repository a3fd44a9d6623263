"""Gradient-boosted trees in numpy, enough for a few thousand rows: histograms and a robust loss.

Oblivious trees: every level asks one question of all rows, so that a tree of depth d is d questions and 2^d values.
They overfit less than free trees and are evaluated by :mod:`cluster.latency.residual` in a few lines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.latency.residual import Forest

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a fit is made of."""

    trees: int = 600
    depth: int = 6
    rate: float = 0.06
    bins: int = 32
    shrink: float = 2.0
    """Rows' worth of doubt in every leaf."""
    clip: float = 0.35
    """Residuals beyond this pull no harder (Huber)."""
    features: float = 0.35
    """Share of features that a level may ask about."""
    rows: float = 0.7
    """Share of rows that a tree sees."""
    seed: int = 7


def fit(rows: Floats, target: Floats, recipe: Recipe) -> Forest:
    """Trees that add up to ``target``."""
    random = np.random.default_rng(recipe.seed)
    edges = [_edges(column, recipe.bins) for column in rows.T]
    usable = np.array([column for column, edge in enumerate(edges) if len(edge)])
    codes = np.stack([np.searchsorted(edge, column) for edge, column in zip(edges, rows.T, strict=True)], axis=1)
    guess = np.zeros(len(rows))
    trees = []
    for _ in range(recipe.trees):
        chosen = np.flatnonzero(random.random(len(rows)) < recipe.rows)
        pull = np.clip(target - guess, -recipe.clip, recipe.clip)[chosen]
        asked, leaf = _tree(codes[chosen], pull, usable, random, recipe)
        guess += leaf[_index(codes, asked)]
        trees.append((asked, leaf))
    feature = np.array([[column for column, _ in asked] for asked, _ in trees])
    threshold = np.array(
        [[edges[column][min(cut, len(edges[column]) - 1)] for column, cut in asked] for asked, _ in trees]
    )
    return Forest(feature, threshold, np.array([leaf for _, leaf in trees]))


def _edges(values: Floats, bins: int) -> Floats:
    distinct = np.unique(values)
    if len(distinct) > bins:
        distinct = np.unique(np.quantile(values, np.linspace(0, 1, bins)))
    return np.asarray((distinct[1:] + distinct[:-1]) / 2)


def _index(codes: Codes, asked: list[tuple[int, int]]) -> Codes:
    index = np.zeros(len(codes), dtype=np.int64)
    for level, (column, cut) in enumerate(asked):
        index |= (codes[:, column] > cut).astype(np.int64) << level
    return index


def _tree(
    codes: Codes, pull: Floats, usable: Codes, random: np.random.Generator, recipe: Recipe
) -> tuple[list[tuple[int, int]], Floats]:
    """One tree: what each level asks, and the leaves."""
    asked: list[tuple[int, int]] = []
    index = np.zeros(len(codes), dtype=np.int64)
    for level in range(recipe.depth):
        columns = random.choice(usable, max(1, int(len(usable) * recipe.features)), replace=False)
        place, cut = _best(codes[:, columns], pull, index, (1 << level, recipe.bins, recipe.shrink))
        asked.append((int(columns[place]), cut))
        index |= (codes[:, columns[place]] > cut).astype(np.int64) << level
    size = 1 << recipe.depth
    total = np.bincount(index, pull, size) / (np.bincount(index, minlength=size) + recipe.shrink)
    return asked, recipe.rate * total


def _best(codes: Codes, pull: Floats, index: Codes, sizes: tuple[int, int, float]) -> tuple[int, int]:
    """The column and the cut that explain most, over all leaves so far."""
    leaves, bins, shrink = sizes
    count = codes.shape[1]
    cells = (codes + np.arange(count) * bins + (index * count * bins)[:, None]).ravel()
    shape = (leaves, count, bins)
    gain = np.bincount(cells, np.repeat(pull, count), leaves * count * bins).reshape(shape).cumsum(axis=2)
    rows = np.bincount(cells, minlength=leaves * count * bins).reshape(shape).cumsum(axis=2)
    rest_gain, rest_rows = gain[:, :, -1:] - gain, rows[:, :, -1:] - rows
    score = (gain**2 / (rows + shrink) + rest_gain**2 / (rest_rows + shrink)).sum(axis=0)
    place, cut = np.unravel_index(int(score[:, :-1].argmax()), (count, bins - 1))
    return int(place), int(cut)
