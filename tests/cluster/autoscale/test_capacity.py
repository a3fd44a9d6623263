"""What a replica takes at its promises, for the expected mix and for others."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.autoscale.capacity import Capacity, capacity_of
from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import QUANTS
from cluster.demand import LogNormals
from cluster.errors import UsageError
from cluster.latency.plain import plain
from cluster.latency.replica import timing_for
from cluster.latency.timing import EngineTiming
from cluster.spec import Slo
from cluster.spec.traffic import Lengths

PROMISES = Slo(ttft_p95_s=2, tpot_p95_s=0.1, goodput=0.99)


def timing() -> EngineTiming:
    """An 8B model on an L40S."""
    return timing_for(plain(architecture("llama-3.1-8b"), gpu("L40S"), QUANTS["bf16"], context=16384))


def found(slo: Slo) -> Capacity:
    """Of prompts of 700 and answers of 150 tokens in the middle."""
    mix = LogNormals(Lengths(p50=700, p95=3000), Lengths(p50=150, p95=600), 0, 16384)
    return capacity_of(timing(), mix.even(300), slo)


def test_at_its_edge_as_many_are_late_as_may_be() -> None:
    """At a load of 1 the share of late requests is what was promised, and it only grows with the load."""
    load, late = np.array(found(PROMISES).late).T
    assert np.interp(1, load, late) == pytest.approx(0.01, abs=0.003)
    assert (np.diff(late) >= 0).all()


def test_a_mix_of_short_answers_costs_more_for_each_of_their_tokens() -> None:
    """Mixes are in order, and the more prompt there is to a token, the dearer it is."""
    ratio, _, output_s = np.array(found(PROMISES).mixes).T
    assert (np.diff(ratio) > 0).all()
    assert output_s[-1] > 3 * output_s[0]


def test_without_promises_nothing_is_late() -> None:
    """Only the engine's limit ends such a load."""
    assert found(Slo()).late == ()


def test_a_promise_that_nobody_can_keep_is_named() -> None:
    """With the way out."""
    with pytest.raises(UsageError, match=r"slo\.ttft_p95_s: no load is light enough"):
        found(Slo(ttft_p95_s=0.0001))
