"""Percentiles and intervals: known answers, and how often the truth lies within."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.intervals import FEWEST, Interval, of_percentile, of_share, percentile

HUNDRED = np.linspace(1, 100, 100)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.95, 95), (0.951, 96), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: float) -> None:
    """The smallest that so many in a hundred do not exceed."""
    assert percentile(HUNDRED, share) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_so_many_values_do_not_exceed_a_percentile(values: list[float], share: float) -> None:
    """By its definition, for whatever values."""
    found = percentile(np.array(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9


def test_the_ranks_of_an_interval_are_those_of_the_binomial() -> None:
    """Of 1,000 values the 95th percentile's interval goes from the 936th to the 964th."""
    assert of_percentile(np.linspace(1, 1000, 1000), 0.95) == Interval(936, 964)


@pytest.mark.parametrize("count", [FEWEST - 1, FEWEST])
def test_the_fewest_are_those_that_show_an_upper_end(count: int) -> None:
    """71 values leave open how high the 95th percentile could be, 72 do not."""
    assert math.isfinite(of_percentile(np.linspace(0, 1, count), 0.95).high) == (count == FEWEST)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    [(0, 100, 0, 0.0370), (5, 100, 0.0215, 0.1118), (100, 100, 0.9630, 1), (0, 0, 0, 1)],
    ids=["none", "some", "all", "of nothing"],
)
def test_the_interval_of_a_share_is_wilsons(hits: int, count: int, low: float, high: float) -> None:
    """Figures as statistical tables have them."""
    assert of_share(hits, count) == pytest.approx((low, high), abs=1e-4)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 400 samples of 500 exponential values, the 95 % intervals miss the 95th percentile in about one of twenty."""
    rng = np.random.default_rng(1)
    truth = -math.log(0.05)
    held = [of_percentile(rng.exponential(size=500), 0.95).holds(truth) for _ in range(400)]
    assert 0.93 <= np.mean(held) <= 0.99
