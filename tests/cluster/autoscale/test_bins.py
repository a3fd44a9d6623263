"""Looks of any length become bins of one length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.autoscale.bins import Bins

LOOKS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0.1, 100)), max_size=40)


@given(LOOKS)
def test_nothing_is_lost(looks: list[tuple[float, float]]) -> None:
    """What went in is in whole bins or in the open one."""
    bins = Bins(10)
    rates = [rate for amount, seconds in looks for rate in bins.add(amount, seconds)]
    assert sum(rates) * 10 + bins.amount == pytest.approx(sum(amount for amount, _ in looks))
    assert len(rates) * 10 + bins.passed_s == pytest.approx(sum(seconds for _, seconds in looks))


def test_a_look_is_spread_evenly() -> None:
    """Thirty requests of 15 s are twenty of the first ten, and ten that wait for the bin to be whole."""
    bins = Bins(10)
    assert list(bins.add(30, 15)) == [2.0]
    assert (bins.amount, bins.passed_s) == (10, 5)
