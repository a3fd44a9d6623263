"""Predicted beside measured: exact where the fleet is what the prediction thinks, silent where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from cluster.demand import Arrivals
from cluster.simulate.fleet import simulation_of
from cluster.simulate.outcome import Times
from cluster.spec import Accelerator, Engine, Fleet, Model, Tiers
from loadtests.columns import Columns
from loadtests.facts import Outcome, Sample
from loadtests.figures import Window
from loadtests.predicted import Prediction, predict
from tests.loadtests.synthetic import CHAT, FLEET, PROMISED, at, failed

ALL = Window(0, 120, "all")


def simulated(fleet: Fleet, speed: float = 1.0) -> list[Sample]:
    """What a load test would measure of a fleet that is exactly as the simulator thinks, at 8 requests a second."""
    rng = np.random.default_rng(3)
    count = 800
    prompts, outputs = rng.integers(50, 2000, count), rng.integers(2, 200, count)
    when = np.sort(rng.random(count) * 100)
    came = Arrivals(when * speed, prompts, outputs, np.zeros(count, np.int64), np.zeros(count, np.int8), ("small",))
    simulation = simulation_of(fleet, came)
    simulation.run()
    times = Times.of(simulation)
    return [
        CHAT._replace(
            prompt_tokens=int(prompts[i]),
            output_tokens=int(outputs[i]),
            intended_s=float(when[i]),
            sent_s=float(when[i]),
            first_s=float(when[i] + times.ttft_s[i] / speed),
            end_s=float(when[i] + times.e2e_s[i] / speed),
        )
        for i in range(count)
    ]


def predicted(samples: list[Sample], fleet: Fleet = FLEET) -> Prediction:
    """Over all seconds."""
    return predict(fleet, Columns.of(samples), ALL, PROMISED)


def changed(fleet: Fleet, **more: object) -> Fleet:
    """Its one model with other fields."""
    return fleet.model_copy(update={"models": {"m": fleet.models["m"].model_copy(update=more)}})


@pytest.mark.parametrize("speed", [1.0, 4.0], ids=["real time", "four times as fast"])
def test_a_fleet_as_the_simulator_thinks_is_predicted_exactly(speed: float) -> None:
    """Every figure; the planner's closed form is near it."""
    fleet = changed(FLEET, speed=speed)
    found = predicted(simulated(fleet, speed), fleet)
    rows = {row.figure: row for row in found.rows}
    assert {"ttft_p95_s", "tpot_p95_s", "e2e_p95_s", "goodput", "output_tokens_per_s"} <= rows.keys()
    assert [row.error_percent for row in found.rows] == pytest.approx([0] * len(rows), abs=1e-6)
    assert rows["tpot_p95_s"].planned_error_percent == pytest.approx(0, abs=25)
    assert rows["goodput"].planned is None
    assert found.not_predicted == {}


def test_an_error_has_its_sign() -> None:
    """A fleet twice as slow as predicted: the prediction is 50 % too low."""
    slow = [
        each._replace(end_s=each.intended_s + 2 * each.e2e_s, first_s=each.intended_s + 2 * (each.ttft_s or 0))
        for each in simulated(FLEET)
    ]
    rows = {row.figure: row.error_percent for row in predicted(slow).rows}
    assert rows["ttft_p95_s"] == pytest.approx(-50)
    assert rows["e2e_p50_s"] == pytest.approx(-50)


def test_cancelled_requests_load_the_fleet_too() -> None:
    """They are played, and have no whole answer on either side."""
    samples = [each._replace(outcome=Outcome.CANCELLED) if i % 2 else each for i, each in enumerate(simulated(FLEET))]
    errors = {row.figure: row.error_percent for row in predicted(samples).rows}
    assert errors["e2e_p95_s"] == pytest.approx(0, abs=1e-6)


def test_what_no_replica_could_hold_is_predicted_to_fail() -> None:
    """Where all of it was answered, after all, the goodput says by how much the prediction is wrong."""
    rows = {row.figure: row for row in predicted([at(1, prompt_tokens=50_000_000)]).rows}
    assert (rows["goodput"].measured, rows["goodput"].predicted) == (1, 0)
    assert "ttft_p95_s" not in rows


TWO: Mapping[str, Model] = {
    "m": FLEET.models["m"],
    "n": Model(engine=Engine.URL, url="http://127.0.0.1:9"),
    "o": FLEET.models["m"].model_copy(update={"speed": 2}),
}


@pytest.mark.parametrize(
    ("fleet", "samples", "tier", "why"),
    [
        pytest.param(FLEET, [], "all", "no answer named a tier", id="nothing measured"),
        pytest.param(FLEET, [failed(1)._replace(tier="")], "all", "no answer named a tier", id="no tier"),
        pytest.param(FLEET, [at(1, tier="large")], "large", "lists no model", id="a tier that the file lacks"),
        pytest.param(FLEET, [at(1), at(2, model="x")], "small", "x answered, too", id="another model"),
        pytest.param(changed(FLEET, source=""), [at(1)], "small", "models.m.source", id="no such architecture"),
        pytest.param(
            changed(FLEET, accelerator=Accelerator(type="cpu")), [at(1)], "small", "on a CPU", id="no data for a CPU"
        ),
        pytest.param(
            FLEET.model_copy(update={"models": TWO, "tiers": Tiers(small=("n",))}),
            [at(1, model="n")],
            "small",
            "runs elsewhere",
            id="runs elsewhere",
        ),
        pytest.param(
            FLEET.model_copy(update={"models": TWO, "tiers": Tiers(small=("m",), large=("o",))}),
            [at(1), at(2, tier="large", model="o")],
            "all",
            "different speeds",
            id="two speeds",
        ),
    ],
)
def test_where_nothing_is_known_nothing_is_predicted(fleet: Fleet, samples: list[Sample], tier: str, why: str) -> None:
    """The reason stands in place of the figures."""
    found = predicted(samples, fleet)
    assert found.rows == ()
    assert why in found.not_predicted[tier]


def test_a_tier_without_data_leaves_the_other_one_predicted() -> None:
    """One hosted model is no reason to predict nothing."""
    fleet = FLEET.model_copy(update={"models": TWO, "tiers": Tiers(small=("m",), large=("n",))})
    found = predicted([*simulated(FLEET), *(at(when, tier="large", model="n") for when in range(50))], fleet)
    assert {row.tier for row in found.rows} == {"small"}
    assert [*found.not_predicted] == ["large"]
