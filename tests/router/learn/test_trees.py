"""Trees learn what a line cannot."""

from __future__ import annotations

import numpy as np
import pytest

from router.learn.trees import Growth, grow

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(1500, 6)).astype(np.float32)
EITHER = ((ROWS[:, 0] > 0) ^ (ROWS[:, 1] > 0)).astype(float)
FOREST = grow(ROWS, EITHER - EITHER.mean(), Growth(trees=150, depth=3, rate=0.1), 0)


def test_an_interaction_is_found() -> None:
    """Exclusive or, on rows that were not seen."""
    fresh = np.random.default_rng(1).normal(size=(500, 6)).astype(np.float32)
    wanted = (fresh[:, 0] > 0) ^ (fresh[:, 1] > 0)
    assert ((FOREST.many(fresh) > 0) == wanted).mean() > 0.9


def test_one_row_scores_as_many_do() -> None:
    """Two ways through the same trees."""
    assert [FOREST.one(row) for row in ROWS[:20]] == pytest.approx(FOREST.many(ROWS[:20]), abs=1e-5)


def test_the_seed_decides_everything() -> None:
    """The same seed grows the same forest."""
    growth = Growth(trees=5)
    one, same, other = (grow(ROWS, EITHER, growth, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.leaves, same.leaves)
    assert not np.array_equal(one.leaves, other.leaves)


def test_a_difference_of_forests_is_one_forest() -> None:
    """Leaf by leaf."""
    assert FOREST.minus(FOREST).many(ROWS[:5]) == pytest.approx(np.zeros(5), abs=1e-5)
