"""What the month would have cost elsewhere."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cluster.report.baselines import AllLarge, all_claude, all_large
from cluster.report.load import demand_in
from cluster.spec import Fleet
from tests.cluster.report.months import fleet, hours, month, used

MONTH = Decimal(730)


def test_all_on_claude_is_the_ledgers_column() -> None:
    """Summed over everything; a day without a price list is told."""
    rows = [used(), used(day="2026-11-03", baseline_micros=1), used(day="2026-11-04", baseline_micros=0)]
    claude = all_claude(month(usage=rows))
    assert (claude.usd, claude.days_without) == (Decimal("0.054001"), 1)


def test_without_a_price_list_it_is_unknown() -> None:
    """Not nothing."""
    assert all_claude(month(usage=[used(baseline_micros=0)])).usd is None


@pytest.mark.parametrize("own", [True, False], ids=["the fleet's own", "a 70B that stands for it"])
def test_all_on_a_large_model(own: bool) -> None:
    """Priced over the hours that count, between the middle of the prediction and its upper end."""
    asked = fleet() if own else fleet(tiers={"small": ["eight"]})
    demand = demand_in(month(traffic=hours(48, requests=20_000)), asked)
    assert demand is not None
    whole, half = (all_large(asked, demand, hours) for hours in (MONTH, MONTH / 2))
    assert isinstance(whole, AllLarge)
    assert isinstance(half, AllLarge)
    assert 0 < whole.low <= whole.high == 2 * half.high
    assert whole.model == ("seventy" if own else "llama-3.3-70b")
    assert "H100" in whole.setup


def test_what_cannot_be_planned_says_why() -> None:
    """Promises that no GPU holds."""
    asked = fleet(slo={"tpot_p95_s": 1e-6})
    demand = demand_in(month(traffic=hours(2)), asked)
    assert demand is not None
    why = all_large(asked, demand, MONTH)
    assert isinstance(why, str)
    assert "hold the promises" in why


def test_a_fleet_without_gpus_is_compared_too() -> None:
    """Its large model costs nothing and would be no baseline."""
    models = {"tiny": {"source": "builtin:tiny-small"}, "other": {"source": "builtin:tiny-large"}}
    tiny = Fleet.model_validate({"name": "f", "models": models, "tiers": {"small": ["tiny"], "large": ["other"]}})
    demand = demand_in(month(traffic=hours(2)), tiny)
    assert demand is not None
    large = all_large(tiny, demand, MONTH)
    assert isinstance(large, AllLarge)
    assert (large.model, large.low > 100) == ("llama-3.3-70b", True)
