"""What to change next, and what is predicted of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from cluster.report.advice import Change, advice
from cluster.report.load import demand_in
from cluster.spec import Fleet
from tests.cluster.report.months import BEGIN, fleet, hours, month

BUSY = 60_000
"""Requests an hour that one replica of the small model cannot take with the large tier's share."""

ELSEWHERE = {name: {"engine": "url", "url": "http://127.0.0.1:1"} for name in ("eight", "seventy")}


def _of(fleet: Fleet, told: dict[str, Any]) -> list[Change]:
    facts = month(**told)
    demand = demand_in(facts, fleet)
    assert demand is not None
    found = advice(facts, fleet, demand)
    assert not isinstance(found, str), found
    return found


def _mixed(small: int, large: int) -> dict[str, Any]:
    """A week with so many requests in each hour, and no other."""
    return {"traffic": [*hours(168, small), *hours(168, large, "large")], "until": BEGIN + timedelta(days=7)}


def test_more_replicas_where_the_busiest_hour_needs_them() -> None:
    """With what they cost."""
    found = _of(fleet(), _mixed(BUSY, BUSY // 10))
    [small] = [change for change in found if change.what.startswith("eight: replicas")]
    assert small.what.startswith("eight: replicas 1 to 1 → 1 to ")
    assert small.usd_month is not None
    assert small.usd_month > 0
    assert "16.7 requests/s" in small.effect


def test_fewer_replicas_where_no_hour_needs_them() -> None:
    """With what that saves."""
    models = fleet().model_dump(exclude_unset=True, mode="json")["models"]
    models["eight"]["replicas"] = {"min": 9, "max": 9}
    found = _of(fleet(models=models), _mixed(1000, 100))
    [small] = [change for change in found if change.what.startswith("eight: replicas")]
    assert small.what == "eight: replicas 9 to 9 → 2 to 9"
    assert small.usd_month is not None
    assert small.usd_month < 0


def test_the_dial_has_a_price_and_an_effect_on_quality() -> None:
    """By the shares of answers that were as good as the reference's, in both tiers."""
    share = {"value": 0.9, "low": 0.88, "high": 0.92}
    judged = [
        {"heading": tier, "reference": "claude", "source": "judged", "labels": 500, "cost_micros": 0}
        | {"win_rate": share, "quality_share": share | {"value": value}}
        for tier, value in (("small", 0.8), ("large", 0.9))
    ]
    found = _of(fleet(), _mixed(400_000, 100_000) | {"quality": judged})
    dials = {change.what: change for change in found if change.what.startswith("routing")}
    assert list(dials) == [
        "routing: 20% → 10% of the local requests to large",
        "routing: 20% → 30% of the local requests to large",
    ]
    less, more = dials.values()
    assert less.usd_month is not None
    assert more.usd_month is not None
    assert less.usd_month < 0 < more.usd_month
    assert "-1.0 points" in less.effect
    assert "+1.0 points" in more.effect


@pytest.mark.parametrize(
    ("told", "parts", "why"),
    [
        ({"traffic": hours(2, tier="spillover")}, {}, "no model that Freehold runs"),
        ({"traffic": hours(2)}, {"models": ELSEWHERE}, "no model that Freehold runs"),
        ({"traffic": hours(2)}, {"planning": {"gpus": ["H1000"]}}, "planning.gpus.0"),
    ],
    ids=["nothing local", "nothing of ours", "no such GPU"],
)
def test_where_nothing_can_be_predicted(told: dict[str, Any], parts: dict[str, Any], why: str) -> None:
    """It says why."""
    facts = month(**told)
    demand = demand_in(facts, fleet())
    assert demand is not None
    found = advice(facts, fleet(**parts), demand)
    assert isinstance(found, str)
    assert why in found
