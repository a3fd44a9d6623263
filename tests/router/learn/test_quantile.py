"""The share holds, whatever the traffic does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from router.learn.quantile import RollingQuantile


def streams() -> dict[str, list[float]]:
    """Scores as traffic brings them."""
    rng = np.random.default_rng(0)
    return {
        "steady": rng.normal(size=4000).tolist(),
        "jumps-up": [*rng.normal(0, 1, 2000), *rng.normal(5, 1, 2000)],
        "jumps-down": [*rng.normal(5, 1, 2000), *rng.normal(0, 1, 2000)],
        "waves": (rng.normal(size=4000) + 3 * np.sin(np.arange(4000) / 100)).tolist(),
        "climbs": (rng.normal(size=4000) + np.arange(4000) / 200).tolist(),
        "all-alike": [0.5] * 4000,
    }


@pytest.mark.parametrize("name", streams())
def test_the_share_is_held(name: str) -> None:
    """A fifth on the whole, and no block of a hundred takes over 35 %."""
    quantile = RollingQuantile(0.2, np.random.default_rng(1).normal(size=200))
    large = np.array([quantile.is_large(score) for score in streams()[name]])
    edges = pairwise(range(0, 4001, 100))
    assert large.mean() == pytest.approx(0.2, abs=0.02)
    assert max(large[begin:end].mean() for begin, end in edges) <= 0.35


@pytest.mark.parametrize(("share", "wanted"), [(0.0, 0), (1.0, 500)], ids=["none", "all"])
def test_the_ends_of_the_dial_mean_what_they_say(share: float, wanted: int) -> None:
    """Nothing to the large model, or everything."""
    quantile = RollingQuantile(share, [])
    assert sum(quantile.is_large(score) for score in np.random.default_rng(0).normal(size=500)) == wanted


def test_the_highest_scores_are_the_ones_that_go() -> None:
    """A share of the hard ones, not of any."""
    quantile = RollingQuantile(0.2, [])
    scores = np.random.default_rng(0).random(2000)
    large = np.array([quantile.is_large(score) for score in scores])
    assert scores[large].mean() > 0.8 > scores[~large].mean()
