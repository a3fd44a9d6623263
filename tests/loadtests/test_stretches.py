"""Stretches of a run: nothing is lost in them, and resampling them says how sure a figure is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.spec import Slo
from loadtests.columns import Columns
from loadtests.facts import Outcome, Sample
from loadtests.intervals import Floats, percentile
from loadtests.stretches import COUNT, Resampled, Stretch, held, interval, stretches
from tests.loadtests.synthetic import PROMISED, at, failed, steadily


def cut(samples: list[Sample]) -> tuple[Stretch, ...]:
    """The first hundred seconds."""
    return stretches(Columns.of(samples), PROMISED, 0, 100)


@given(st.lists(st.tuples(st.floats(0, 99), st.floats(1e-4, 10), st.booleans()), max_size=60))
def test_every_request_is_in_one_stretch(asked: list[tuple[float, float, bool]]) -> None:
    """Counts add up, whatever was asked when and whatever came of it."""
    samples = [failed(when) if fails else at(when, ttft) for when, ttft, fails in asked]
    parts = cut(samples)
    assert len(parts) == COUNT
    assert sum(part.requests for part in parts) == len(samples)
    assert sum(part.failed for part in parts) == sum(fails for *_, fails in asked)
    assert sum(sum(part.ttft.values()) for part in parts) == sum(not fails for *_, fails in asked)


def test_cancelled_requests_are_no_failures_and_promise_nothing() -> None:
    """They count neither among the requests nor among the good ones; their first token does."""
    parts = cut([at(1), at(2, outcome=Outcome.CANCELLED)])
    assert sum(part.requests for part in parts) == sum(part.good for part in parts) == 1
    assert sum(sum(part.ttft.values()) for part in parts) == 2


@pytest.mark.parametrize(
    ("slo", "expected"),
    [
        pytest.param(Slo(), [True, True, True, False], id="nothing promised"),
        pytest.param(Slo(ttft_p95_s=0.15), [True, False, True, False], id="ttft"),
        pytest.param(Slo(tpot_p95_s=0.06), [True, True, False, False], id="tpot"),
        pytest.param(Slo(ttft_p95_s=0.15, tpot_p95_s=0.06), [True, False, False, False], id="both at once"),
        pytest.param(Slo(e2e_p95_s=0.65), [True, False, False, False], id="e2e"),
    ],
)
def test_a_good_request_holds_every_promise_by_itself(slo: Slo, expected: list[bool]) -> None:
    """A failed one holds none."""
    columns = Columns.of([at(0), at(0, ttft_s=0.2), at(0, tpot_s=0.07), failed(0)])
    assert held(columns, slo).tolist() == expected


def test_a_resampled_percentile_is_the_runs_own_to_a_bucket() -> None:
    """The middle of all draws is what was measured."""
    samples = steadily(20_000)
    draws = Resampled(cut(samples), 1).percentile("ttft", 0.95)
    assert np.median(draws) == pytest.approx(percentile(Columns.of(samples).ttft_s, 0.95), rel=0.01)


def test_what_stretches_share_widens_the_interval() -> None:
    """Requests of a slow moment are slow together; taken as independent they would say more than they do."""
    calm = [at(when, 0.1 + 0.001 * (number % 50)) for number, when in enumerate(np.linspace(0, 99, 3200).tolist())]
    waves = [sample._replace(first_s=sample.sent_s + 0.1 + 0.01 * int(sample.sent_s / 20)) for sample in calm]
    wide, narrow = (interval(Resampled(cut(some), 1).percentile("ttft", 0.5)) for some in (waves, calm))
    assert wide is not None
    assert narrow is not None
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


@pytest.mark.parametrize(
    "draws",
    [
        pytest.param(lambda run: run.percentile("ttft", 0.5), id="percentile"),
        pytest.param(lambda run: run.ratio(lambda part: part.failed, lambda part: part.requests), id="ratio"),
    ],
)
def test_nothing_measured_has_no_interval(
    draws: Callable[[Resampled], Floats],
) -> None:
    """Instead of one around 0."""
    assert interval(draws(Resampled(cut([]), 1))) is None


def test_an_interval_is_the_middle_of_what_was_drawn() -> None:
    """2.5 % on each side."""
    assert interval(np.linspace(0, 1000, 1001)) == pytest.approx((25, 975))
