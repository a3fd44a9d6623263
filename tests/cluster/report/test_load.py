"""A month's load as a demand that plans can be made for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from cluster.report.load import demand_in
from tests.cluster.report.months import BEGIN, fleet, hours, month


def test_rates_are_those_of_the_hours() -> None:
    """One request a second, of November's first Sunday; the week's other days are taken to be like it."""
    demand = demand_in(month(traffic=hours(24), until=BEGIN + timedelta(hours=24)), fleet())
    assert demand is not None
    assert demand.rates == pytest.approx(np.ones(168))
    assert demand.shares == {"small": 1, "large": 0, "spillover": 0}


def test_quiet_hours_count() -> None:
    """An hour of load in four weeks is a twenty-fourth of that at this hour of the week in each day without data."""
    until = BEGIN + timedelta(days=28)
    demand = demand_in(month(traffic=hours(1), until=until), fleet())
    assert demand is not None
    assert demand.rates[6 * 24] == pytest.approx(0.25)
    assert demand.rates.sum() == pytest.approx(0.25)


def test_an_hour_that_has_begun_counts_as_far_as_it_went() -> None:
    """Recorded from a quarter past on, and asked for at half past: 15 minutes."""
    since, until = BEGIN + timedelta(minutes=15), BEGIN + timedelta(minutes=30)
    begun = month(traffic=hours(1, requests=900), recorded_since=since.timestamp(), until=until)
    demand = demand_in(begun, fleet())
    assert demand is not None
    assert demand.rates == pytest.approx(np.ones(168))


def test_lengths_have_the_mean_that_was_measured() -> None:
    """All alike here, so there is no scatter."""
    demand = demand_in(month(traffic=hours(2)), fleet())
    assert demand is not None
    lengths = demand.mix.even(100)
    assert lengths.prompt_tokens.mean() == pytest.approx(400, rel=0.02)
    assert lengths.output_tokens.mean() == pytest.approx(100, rel=0.02)
    assert np.ptp(lengths.prompt_tokens) < 20


def test_without_chat_there_is_no_demand() -> None:
    """Embeddings are not planned for."""
    assert demand_in(month(traffic=hours(2, tier="embedding")), fleet()) is None
    assert month(traffic=()).begun == datetime(2026, 12, 1, tzinfo=UTC)
