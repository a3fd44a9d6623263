"""The metrics, on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from router.learn.metrics import auc, quality_curve, routing_metrics, with_intervals

WEAK = np.array([1.0, 0.0, 1.0, 0.0])
STRONG = np.ones(4)


def test_a_perfect_router_recovers_everything_with_the_fewest() -> None:
    """Half of the prompts need the strong model: with them the gap is closed."""
    found = routing_metrics(np.array([0.0, 1.0, 0.0, 1.0]), WEAK, STRONG)
    assert found["cpt50"] == pytest.approx(0.25)
    assert found["cpt80"] == pytest.approx(0.5)
    assert found["apgr"] == pytest.approx(0.75)
    assert found["aiq"] == pytest.approx(0.875)
    assert found["auc"] == 1


def test_the_worst_router_recovers_last() -> None:
    """The mirror image."""
    assert routing_metrics(np.array([1.0, 0.0, 1.0, 0.0]), WEAK, STRONG)["apgr"] == pytest.approx(0.25)


def test_the_curve_begins_at_the_weak_and_ends_at_the_strong_model() -> None:
    """Whatever the scores."""
    curve = quality_curve(np.random.default_rng(0).random(4), WEAK, STRONG)
    assert (curve[0], curve[-1], len(curve)) == (0.5, 1.0, 5)


@pytest.mark.parametrize(
    ("scores", "wanted"),
    [([1, 2, 3, 4], 0.75), ([1, 1, 1, 1], 0.5), ([4, 3, 2, 1], 0.25)],
    ids=["better", "ties", "worse"],
)
def test_auc_counts_pairs_in_the_right_order(scores: list[float], wanted: float) -> None:
    """A tie counts half."""
    assert auc(np.array(scores, float), np.array([False, True, False, True])) == pytest.approx(wanted)


def test_intervals_hold_the_value_and_shrink_with_more_prompts() -> None:
    """Bootstrap over prompts."""
    rng = np.random.default_rng(0)
    widths = []
    for count in (100, 1600):
        weak, scores = (rng.random(count) < 0.5).astype(float), rng.random(count)
        found = with_intervals(scores, weak, np.ones(count))["apgr"]
        assert found.low <= found.value <= found.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2
