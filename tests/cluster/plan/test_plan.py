"""The cheapest fleet that holds the promises, and what is told about it."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from cluster.errors import CatalogError, UsageError
from cluster.plan.report import Report, in_json
from tests.cluster.plan.fleets import CLAUDE, LARGE, SMALL, planned


@pytest.fixture(scope="module")
def plan() -> Report:
    """The plan of the usual fleet."""
    return planned()


def test_every_hour_holds_with_a_replica_down(plan: Report) -> None:
    """Each tier has, in each hour, one replica more than its rate needs, and no two of them."""
    for tier, one in plan.choices[0].tiers.items():
        need = np.maximum(1, np.ceil(plan.demand.rate(tier) / one.option.rate))
        assert (one.replicas >= need + 1).all()
        assert one.most == need.max() + 1


def test_promises_hold_at_the_upper_end(plan: Report) -> None:
    """What is expected in the busiest hour is below what is sized for, and that below what is promised."""
    for found in plan.latencies.values():
        for one in found[:2]:
            assert one.p50_s < one.p95_s <= one.upper_p95_s
            assert one.upper_p95_s <= getattr(plan.fleet.slo, f"{one.name}_p95_s")


def test_plans_are_ordered_by_their_cost_and_complete(plan: Report) -> None:
    """The cheapest combination of all tiers is first, and no combination of the cheapest options was passed over."""
    usd = [choice.usd for choice in plan.choices]
    assert usd == sorted(usd)
    assert len(usd) == 5
    every = sorted(a.usd + b.usd for a in plan.tiers[0].sized for b in plan.tiers[1].sized)
    assert usd == pytest.approx(every[:5])


def test_every_setup_is_an_option_or_has_a_reason(plan: Report) -> None:
    """Nothing disappears between the search and the report."""
    for tier in plan.tiers:
        assert len(tier.sized) + len(tier.why_not) == len(tier.options)
        assert all(": " in why for _, why in tier.why_not)


def test_more_replicas_cost_more_than_their_hours(plan: Report) -> None:
    """Autoscaled is cheaper than fixed on demand where load moves, and reserved cheaper than that."""
    for one in plan.choices[0].tiers.values():
        assert one.usd_month["autoscaled"] <= one.usd_month["on_demand"]
        assert one.usd_month["reserved"] < one.usd_month["on_demand"]


def test_hosting_everything_costs_in_proportion_and_breaks_even(plan: Report) -> None:
    """At the break-even own GPUs are no dearer; a step below they are."""
    assert plan.break_even is not None
    assert 0 < plan.break_even < 1
    assert plan.hosted_usd > plan.choices[0].usd


def test_the_split_moves_the_cost(plan: Report) -> None:
    """A fleet with everything on the large tier costs more than one without it, and as much as is told of it."""
    all_small, all_large = plan.splits[0.0], plan.splits[1.0]
    assert all_small is not None
    assert all_large is not None
    assert all_small < all_large
    assert plan.large[0] == "l"
    assert plan.large[1] == pytest.approx(all_large)


def test_sensitivity_is_true(plan: Report) -> None:
    """With the growth that is said to break a promise, the same replicas no longer suffice."""
    for tier, one in plan.choices[0].tiers.items():
        text = next(risk.text for risk in plan.risks if risk.tier == tier and risk.change == "more traffic")
        growth = float(text.partition("%")[0]) / 100
        peak = plan.demand.rate(tier).max()
        assert math.ceil(peak * (1 + growth + 0.01) / one.option.rate) > one.most
        assert math.ceil(peak * (1 + growth - 0.01) / one.option.rate) <= one.most


def test_json_has_everything_and_only_plain_values(plan: Report) -> None:
    """The form for scripts survives a round trip, without infinities."""
    facts = in_json(plan)
    assert json.loads(json.dumps(facts, allow_nan=False)) == json.loads(json.dumps(facts))
    assert facts["plans"][0]["tiers"]["small"]["model"] == "s"
    assert facts["candidates"] == 32


def test_fixed_replicas_have_the_same_number_at_night() -> None:
    """Without autoscaling, and for GPUs that are paid for anyway."""
    for planning in ({"autoscale": False}, {"pay": "owned"}):
        one = planned(planning={"gpus": ["H100"], **planning}).choices[0].tiers["small"]
        assert (one.replicas == one.most).all()
        assert one.usd == one.usd_month["owned" if "pay" in planning else "on_demand"]


def test_growth_and_spares_need_more() -> None:
    """Traffic that doubles, and two replicas that may fail, are sized for."""
    one, more = (
        planned(traffic={"requests_per_second": 60, **growth}, planning={"gpus": ["H100"], **spare})
        .choices[0]
        .tiers["l" and "large"]
        for growth, spare in (
            ({}, {"spare_replicas": 0}),
            ({"growth_per_month": 1, "months": 1}, {"spare_replicas": 2}),
        )
    )
    assert more.most >= 2 * one.most


def test_peaks_go_to_a_hosted_model_where_that_is_cheaper() -> None:
    """Where a few requests would need one more server, the chain takes them, within its budget and no further."""
    parts: dict[str, Any] = {
        "models": {"s": SMALL, "c": CLAUDE},
        "tiers": {"small": ["s"]},
        "planning": {"gpus": ["H100"], "tensor_parallel": [8], "quantizations": ["bf16"], "autoscale": False},
    }
    parts["planning"]["spare_replicas"] = 0
    chain = {"chain": ["c"], "when": ["down"]}
    rate = planned(**parts, spillover=chain | {"open_usd_per_day": 1}).choices[0].tiers["small"].option.rate
    parts["traffic"] = {"requests_per_second": rate * 1.001, "shape": "consumer"}
    mine, shared = (
        planned(**parts, spillover=chain | {"open_usd_per_day": usd}).choices[0].tiers["small"] for usd in (0.001, 1e6)
    )
    assert (mine.most, shared.most) == (2, 1)
    assert not mine.spilled.any()
    assert 0 < shared.hosted_usd_month < shared.usd < mine.usd
    assert (shared.rates - shared.spilled <= shared.limits + 1e-9).all()


def test_what_goes_out_in_any_case_is_in_every_price() -> None:
    """A share of the requests at a paid model costs what it costs there, and the fleet is for the rest."""
    models = {"s": SMALL, "l": LARGE, "c": CLAUDE}
    spillover = {"chain": ["c"], "when": ["unable"], "open_usd_per_day": 100_000}
    traffic = {"requests_per_second": 8, "spill_share": 0.25}
    found = planned(models=models, spillover=spillover, traffic=traffic)
    assert found.aside_usd == pytest.approx(found.hosted_usd / 4)
    best = found.choices[0]
    assert best.usd == pytest.approx(found.aside_usd + sum(one.usd for one in best.tiers.values()))
    assert sum(one.rates.max() for one in best.tiers.values()) == pytest.approx(6)


@pytest.mark.parametrize(
    ("spillover", "why"),
    [
        pytest.param({}, "chain is empty", id="no chain"),
        pytest.param(
            {"chain": ["c"], "when": ["hard"], "open_usd_per_day": 1}, "neither down nor slow", id="no trigger"
        ),
        pytest.param({"chain": ["c"], "when": ["slow"], "open_usd_per_day": 1}, "neither down nor slow", id="no limit"),
    ],
)
def test_why_no_peak_may_be_hosted(spillover: dict[str, Any], why: str) -> None:
    """Permission is the fleet file's, and the report says what is missing."""
    models = {"s": SMALL, "l": LARGE, "c": CLAUDE} if spillover else {"s": SMALL, "l": LARGE}
    assert why in planned(models=models, spillover=spillover).no_hosting


@pytest.mark.parametrize(
    ("parts", "why", "given_up"),
    [
        pytest.param({"slo": {"ttft_p95_s": 0.001}}, "slo.ttft_p95_s", "slo.ttft_p95_s 0.", id="promise too strong"),
        pytest.param(
            {"slo": {"ttft_p95_s": 0.05, "goodput": 0.999}}, "slo.", "slo.ttft_p95_s 0.", id="promise to too many"
        ),
        pytest.param(
            {"planning": {"gpus": ["H100"], "max_gpus": {"H100": 2}}}, "planning.max_gpus", "without", id="too few GPUs"
        ),
        pytest.param(
            {"planning": {"gpus": ["H100"], "max_gpus": {"H100": 6}}, "traffic": {"requests_per_second": 80}},
            "planning.max_gpus",
            "for ",
            id="too much traffic",
        ),
        pytest.param(
            {"planning": {"gpus": ["L4"], "tensor_parallel": [1]}}, "does not fit", "with every GPU", id="fits nowhere"
        ),
    ],
)
def test_what_is_impossible_is_explained_with_what_is_near(parts: dict[str, Any], why: str, given_up: str) -> None:
    """No plan, a reason that names the field, and the nearest plan with what it gives up."""
    found = planned(**parts)
    assert not found.choices
    assert why in found.impossible
    assert found.nearest is not None
    assert found.nearest.given_up.startswith(given_up)
    assert not in_json(found)["possible"]


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        pytest.param({"traffic": {}}, UsageError, "traffic: there is none", id="no traffic"),
        pytest.param({"planning": {"gpus": ["H1000"]}}, CatalogError, r"planning\.gpus\.0: no GPU", id="unknown GPU"),
        pytest.param({"planning": {"max_gpus": {"X9": 1}}}, CatalogError, r"max_gpus\.X9: no GPU", id="unknown stock"),
        pytest.param(
            {"planning": {"quantizations": ["int3"]}}, CatalogError, r"quantizations\.0: no quant", id="unknown quant"
        ),
        pytest.param({"models": {"s": SMALL | {"source": "a/b"}, "l": LARGE}}, CatalogError, "no model", id="model"),
    ],
)
def test_bad_input_names_its_field(parts: dict[str, Any], error: type[Exception], message: str) -> None:
    """Before anything is searched for, as far as that can be."""
    with pytest.raises(error, match=message):
        planned(**parts)


def test_nothing_of_ours_answers() -> None:
    """A fleet of servers that run already has no GPUs to plan."""
    models = {"s": {"engine": "url", "url": "http://localhost:1"}}
    with pytest.raises(UsageError, match="no model that Freehold runs"):
        planned(models=models, tiers={"small": ["s"]})


def test_a_fleet_of_tiny_models_runs_on_this_machine() -> None:
    """Models on a CPU are sized, too, and cost nothing."""
    tiny = {"source": "builtin:tiny-small"}
    slow = {"requests_per_second": 1, "prompt_tokens": {"p50": 50, "p95": 100}, "output_tokens": {"p50": 10, "p95": 20}}
    found = planned(models={"s": tiny}, tiers={"small": ["s"]}, traffic=slow)
    assert found.choices[0].usd == 0
    assert found.choices[0].tiers["small"].most == 2


def test_requests_that_are_too_long_are_told() -> None:
    """A context that holds no request of the trace has no option, and the reason is told."""
    traffic = {"requests_per_second": 1, "prompt_tokens": {"p50": 90_000, "p95": 90_000}}
    models = {"s": SMALL | {"context_length": 4096}, "l": LARGE | {"context_length": 131_072}}
    found = planned(models=models, traffic=traffic)
    assert not found.tiers[0].sized
    assert found.too_long == {"small": 1.0, "large": 0.0}
    assert all(why.startswith("context: ") or not why for _, why in found.tiers[0].why_not)
    assert len(found.tiers[0].why_not) == len(found.tiers[0].options)
