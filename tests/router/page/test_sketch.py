"""Quantiles of durations from buckets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.page.sketch import Sketch, add, quantile, together

SECONDS = st.floats(1e-5, 80_000)


def sketch_of(values: list[float]) -> Sketch:
    """Of durations."""
    found: Sketch = {}
    for value in values:
        add(found, value)
    return found


@given(st.lists(SECONDS, min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_any_quantile_is_near(values: list[float], share: float) -> None:
    """Within 5 % of the value that so many do not exceed."""
    truth = float(np.quantile(values, share, method="inverted_cdf"))
    assert quantile(sketch_of(values), share) == pytest.approx(truth, rel=0.051)


@given(st.lists(SECONDS, max_size=50), st.lists(SECONDS, max_size=50))
def test_parts_add_up(some: list[float], others: list[float]) -> None:
    """Two workers' sketches are the sketch of both."""
    assert together([sketch_of(some), sketch_of(others)]) == sketch_of([*some, *others])


def test_nothing_has_no_quantile() -> None:
    """Rather than one of zero."""
    assert quantile({}, 0.5) is None


def test_memory_is_bounded() -> None:
    """Whatever comes in, a clock that went backwards included."""
    found = sketch_of([*np.logspace(-9, 9, 20_000), 0.0, -1.0])
    assert len(found) <= 242
    assert sum(found.values()) == 20_002
