"""The whole report: its sums, and a month without anything."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from cluster.errors import UsageError
from cluster.report.report import in_json, report_of
from tests.cluster.report.months import fleet, hours, month, ran, used

PLANNING = {"gpus": ["H100"], "gpu_usd_per_hour": {"H100": 2.95}}


def test_paid_and_saved() -> None:
    """GPUs, hosted answers and comparisons, against all on Claude; exact to the millionth, told to the cent."""
    share = {"value": 1, "low": None, "high": None}
    judged = {"heading": "small", "reference": "claude", "source": "judged", "labels": 1, "cost_micros": 250_001}
    told = month(
        usage=[used(baseline_micros=90_000_000), used(model="claude", cost_micros=1_234_567, baseline_micros=9)],
        quality=[judged | {"win_rate": share, "quality_share": share}],
        replicas=[ran()],
        traffic=hours(2),
    )
    report = report_of(told, fleet(planning=PLANNING))
    assert report.total == Decimal("59.000000") + Decimal("1.234567") + Decimal("0.250001")
    assert report.saved == Decimal("90.000009") - Decimal("60.484568")
    card = in_json(report)
    assert (card["total_usd"], card["saved_usd"], card["paid_micros"]) == ("60.48", "29.52", 1_234_567)
    assert json.loads(json.dumps(card)) == card


@pytest.mark.parametrize(
    ("first", "said"), [("2026-09", "from 2026-09 to 2026-11"), (None, "nor before")], ids=["other months", "never"]
)
def test_a_month_without_anything(first: str | None, said: str) -> None:
    """It is wrong use, and the error names months that have something."""
    with pytest.raises(UsageError, match=f"2026-11: nothing was asked.*{said}"):
        report_of(month(usage=(), first_month=first), fleet())


def test_without_replicas_there_is_no_total() -> None:
    """What GPUs cost is unknown, and so is what was saved."""
    report = report_of(month(traffic=hours(2)), fleet())
    card = in_json(report)
    assert (card["gpu_usd"], card["total_usd"], card["saved_usd"]) == (None, None, None)
    assert card["all_claude_usd"] == "0.05"
