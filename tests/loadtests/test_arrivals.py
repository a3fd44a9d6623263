"""When an open loop asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cluster.errors import UsageError
from loadtests.arrivals import Arrival, arrivals
from tests.loadtests.test_asks import ORDER

OPEN = ORDER.model_copy(update={"users": None, "rate": 50.0, "duration_s": 200.0})


@pytest.mark.parametrize(("burst", "varies"), [(False, 1.0), (True, 2.0)], ids=["poisson", "burst"])
def test_arrivals_have_their_rate_and_their_bursts(burst: bool, varies: float) -> None:
    """Gaps of a Poisson process vary as much as their mean, those of bursts twice as much."""
    times = [one.at_s for one in arrivals(OPEN.model_copy(update={"burst": burst}), 0)]
    gaps = np.diff(times)
    assert len(times) / 200 == pytest.approx(50, rel=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(varies, rel=0.1)


def test_a_run_is_the_same_with_any_number_of_workers() -> None:
    """Each arrival belongs to one of them."""
    whole = list(arrivals(OPEN, 0))
    shared = [one for worker in range(3) for one in arrivals(OPEN.model_copy(update={"workers": 3}), worker)]
    assert sorted(shared, key=lambda one: one.number) == whole


def test_a_trace_is_replayed_as_it_was(tmp_path: Path) -> None:
    """Up to the duration; what no model could take is cut to what one can."""
    file = tmp_path / "t.csv"
    file.write_text(
        "arrival_s,prompt_tokens,output_tokens,cached_prefix_tokens\n5,100,10,40\n7,9000,9000,0\n205,1,1,0\n"
    )
    order = OPEN.model_copy(update={"rate": None, "trace": file})
    assert list(arrivals(order, 0)) == [Arrival(0, 0.0, 100, 10, 40), Arrival(1, 2.0, 4096 - 2048 - 64, 2048, 0)]


def test_nothing_comes_from_nothing() -> None:
    """An open loop without a rate is a mistake."""
    with pytest.raises(UsageError, match="--rate"):
        next(arrivals(ORDER, 0))
