"""How careful a plan is: as much as the latency model's interval asks for."""

from __future__ import annotations

import pytest

from cluster.latency.learned import learned
from cluster.latency.replica import replica_of
from cluster.plan.margin import Margin, margin
from cluster.spec import Slo
from tests.cluster.plan.fleets import fleet


@pytest.mark.parametrize("gpu", ["H100", "L4", "GB300"])
@pytest.mark.parametrize("model", ["s", "l"])
def test_the_margin_is_what_the_interval_asks_for(gpu: str, model: str) -> None:
    """More than nothing and less than useless, whatever is known of model and GPU."""
    replica = replica_of(fleet().models[model], on=gpu, tp=8, stored_as="fp8")
    found = margin(replica)
    assert found.step == learned(replica).careful
    assert 1 < found.step < 3
    assert 1 <= found.ttft < 4
    assert "measured" in found.support


def test_time_to_first_token_is_promised_more_carefully() -> None:
    """Its limit is tightened by what its measurements scatter more; what is not promised is not."""
    careful = Margin(step=1.2, ttft=1.25)
    assert careful.tightened(Slo(ttft_p95_s=1, tpot_p95_s=0.05)) == Slo(ttft_p95_s=0.8, tpot_p95_s=0.05)
    assert careful.tightened(Slo(tpot_p95_s=0.05)) == Slo(tpot_p95_s=0.05)
