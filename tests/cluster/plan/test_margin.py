"""How careful a plan is: as much as the latency model's interval asks for, and never less than the simulator."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cluster.demand import Requests
from cluster.latency.replica import replica_of, timing_for
from cluster.plan.margin import Margin, margin
from cluster.spec import Slo
from tests.cluster.plan.fleets import fleet

REQUESTS = Requests(np.array([1000, 1000]), np.array([200, 200]), np.array([0, 0]))


@pytest.mark.parametrize("gpu", ["H100", "L4", "GB300"])
@pytest.mark.parametrize("model", ["s", "l"])
def test_the_margin_covers_the_interval_and_no_less_than_the_timing(gpu: str, model: str) -> None:
    """Whatever is known of model and GPU."""
    replica = replica_of(fleet().models[model], on=gpu, tp=8, stored_as="fp8")
    found = margin(timing_for(replica), replica, REQUESTS)
    assert 1 <= found.step < 3
    assert 1 <= found.ttft < 3
    assert found.support


def test_a_calibrated_timing_needs_less_margin() -> None:
    """The upper end stays where it is when the timing itself comes nearer to it."""
    replica = replica_of(fleet().models["s"], on="L4", tp=1, stored_as="fp8")
    timing = timing_for(replica)
    wide, narrow = (margin(replace(timing, scale=scale), replica, REQUESTS).step for scale in (1.0, 1.2))
    assert wide > 1.2
    assert narrow == pytest.approx(wide / 1.2)


def test_time_to_first_token_is_promised_more_carefully() -> None:
    """Its limit is tightened by what its measurements scatter more; what is not promised is not."""
    careful = Margin(step=1.2, ttft=1.25)
    assert careful.tightened(Slo(ttft_p95_s=1, tpot_p95_s=0.05)) == Slo(ttft_p95_s=0.8, tpot_p95_s=0.05)
    assert careful.tightened(Slo(tpot_p95_s=0.05)) == Slo(tpot_p95_s=0.05)
