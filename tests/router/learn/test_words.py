"""Words learn which texts are which, in a byte a weight."""

from __future__ import annotations

import numpy as np

from router.learn import ridge
from router.learn.text import scan
from router.learn.words import buckets, fit, out_of_fold
from tests.router.learn.prompts import labels

LABELS = labels(400)
TEXTS = [buckets(scan(label.prompt)) for label in LABELS]
HARD = np.array([float(label.topic == "sums") for label in LABELS])


def test_words_tell_kinds_of_prompts_apart() -> None:
    """Prompts of the same kind that were not seen."""
    model = fit(TEXTS[:300], [HARD[:300]], 1.0)
    found = model.many(TEXTS[300:])[:, 0]
    assert ((found > 0) == (HARD[300:] > 0)).all()


def test_nothing_is_learned_from_the_row_that_is_scored() -> None:
    """Noise cannot be predicted out of fold."""
    noise = np.random.default_rng(0).normal(size=400)
    found = out_of_fold(TEXTS, [noise], 1.0, np.arange(400) % 5)[:, 0]
    assert abs(np.corrcoef(found, noise)[0, 1]) < 0.15


def test_conjugate_gradients_find_the_ridge_solution() -> None:
    """The same as solving the small system outright."""
    texts = [np.array([1, 5]), np.array([5, 9]), np.array([1, 9])]
    rows = ridge.rows_of(texts, np.ones(ridge.BUCKETS))
    wanted = np.array([1.0, -1.0, 0.5])
    dense = np.zeros((3, ridge.BUCKETS))
    dense[rows.rows, rows.columns] = rows.values
    exact = dense.T @ np.linalg.solve(dense @ dense.T + 2.0 * np.eye(3), wanted)
    assert np.allclose(ridge.solve(rows, wanted, 2.0), exact)
