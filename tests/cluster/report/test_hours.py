"""Hours of replicas and what they cost; what nobody recorded stays unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from cluster.report.hours import covered, gpu_usd, hours_of, recorded
from cluster.spec import Pay, Planning
from tests.cluster.report.months import HOUR_MS, hours, month, ran

PRICED = {"gpu_usd_per_hour": {"H100": 2.95}}


@pytest.mark.parametrize(
    ("planning", "usd"),
    [
        (PRICED, "59.00"),
        (PRICED | {"pay": "reserved", "reserved_discount": 0.5}, str(Decimal("1.475") * 2 * 4 * 720)),
    ],
    ids=["on demand: while they run", "reserved: all of the month, for as many as may run"],
)
def test_gpus_cost_by_how_they_are_paid(planning: dict[str, Any], usd: str) -> None:
    """Ten hours of one replica on two GPUs, of at most four replicas."""
    found = hours_of(month(replicas=[ran()]), Planning.model_validate(planning))
    assert gpu_usd(found) == Decimal(usd)


def test_what_autoscaling_saved() -> None:
    """Replica-hours against always as many as may run."""
    [one] = hours_of(month(replicas=[ran(replica_ms=15 * HOUR_MS)]), Planning())
    assert (one.replicas, one.always, one.saved) == (Decimal(15), Decimal(40), Decimal(25))


@pytest.mark.parametrize(
    ("replicas", "usd"),
    [
        ([], None),
        ([ran(gpu="Unheard-Of 9000")], None),
        ([ran(), ran(model="other", gpu="Unheard-Of 9000")], None),
        ([ran(gpu="cpu", gpus=0)], Decimal(0)),
    ],
    ids=["nobody recorded", "no price", "no price for one", "a CPU"],
)
def test_nothing_is_invented(replicas: list[dict[str, Any]], usd: Decimal | None) -> None:
    """A sum of which a part is unknown is unknown."""
    assert gpu_usd(hours_of(month(replicas=replicas), Planning())) == usd


def test_how_much_is_recorded() -> None:
    """Of the time since the first load: the last 40 hours of the month here."""
    told = [hour | {"begins": hour["begins"] + 680 * 3600} for hour in hours(1)]
    busy = month(traffic=told, replicas=[ran()])
    assert covered(busy) == pytest.approx(0.25)
    assert covered(month()) is None


def test_a_model_that_changed_its_gpus_ran_once() -> None:
    """Ten hours on each kind are twenty of the clock, of which each kind is half of what is paid for."""
    both = month(replicas=[ran(), ran(gpu="L40S")], traffic=hours(1))
    assert recorded(both) == Decimal(20)
    owned = hours_of(both, Planning(pay=Pay.OWNED))
    assert [one.gpus for one in owned] == [Decimal(4 * 720 * 2) / 2] * 2
