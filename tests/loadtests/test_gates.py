"""Gates: what holds, what breaks by how much, and what too few requests cannot say."""

from __future__ import annotations

import pytest

from cluster.spec import Slo
from loadtests.columns import Columns
from loadtests.facts import Kind, Sample
from loadtests.gates import Gate, Status, judge
from loadtests.intervals import FEWEST
from loadtests.stretches import stretches
from tests.loadtests.synthetic import PROMISED, at, failed, steadily


def gates(samples: list[Sample], slo: Slo = PROMISED) -> dict[str, Gate]:
    """By name, over a hundred seconds."""
    columns = Columns.of(samples)
    return {gate.name: gate for gate in judge(columns, slo, stretches(columns, slo, 0, 100))}


def spread(count: int, **more: float) -> list[Sample]:
    """The same answer, evenly over a hundred seconds."""
    return [at(99 * number / count, **more) for number in range(count)]


def test_what_is_held_is_said_with_its_interval() -> None:
    """All five promises, each with requests, an interval around the figure, and a sentence."""
    found = gates(steadily(2000))
    assert [*found] == ["ttft_p95_s", "tpot_p95_s", "e2e_p95_s", "error_rate", "goodput"]
    assert {gate.status for gate in found.values()} == {Status.HELD}
    ttft = found["ttft_p95_s"]
    assert ttft.low is not None
    assert ttft.high is not None
    assert ttft.measured is not None
    assert ttft.low < ttft.measured < ttft.high < ttft.promised
    assert ttft.sure
    assert "held" in ttft.says
    assert "2,000 requests" in ttft.says


@pytest.mark.parametrize(
    ("samples", "name", "over"),
    [
        pytest.param(spread(200, ttft_s=1.3), "ttft_p95_s", 30, id="ttft"),
        pytest.param(spread(200, tpot_s=0.15), "tpot_p95_s", 50, id="tpot"),
        pytest.param(spread(200, ttft_s=5), "e2e_p95_s", 10, id="e2e"),
        pytest.param(spread(96) + [failed(number) for number in range(4)], "error_rate", 300, id="errors"),
        pytest.param(spread(80) + spread(20, tpot_s=0.2), "goodput", 100 * (0.95 - 0.8) / 0.95, id="goodput"),
    ],
)
def test_a_broken_gate_says_by_how_much(samples: list[Sample], name: str, over: float) -> None:
    """In percent of the promise, on its wrong side."""
    gate = gates(samples)[name]
    assert gate.status is Status.BROKEN
    assert gate.over_percent == pytest.approx(over)
    assert f"broken by {over:.1f} %" in gate.says


@pytest.mark.parametrize("count", [1, FEWEST - 1, FEWEST])
def test_too_few_requests_prove_nothing(count: int) -> None:
    """However well they went; 72 can."""
    expected = Status.HELD if count == FEWEST else Status.UNPROVEN
    assert {gate.status for gate in gates(spread(count)).values()} == {expected}


def test_few_requests_can_break_a_promise() -> None:
    """Ten slow answers are reason enough to look."""
    assert gates(spread(10, ttft_s=3))["ttft_p95_s"].status is Status.BROKEN


@pytest.mark.parametrize("samples", [[], [failed(1)]], ids=["no request", "no answer"])
def test_a_latency_that_nobody_saw_is_not_held(samples: list[Sample]) -> None:
    """There is no percentile of nothing."""
    gate = gates(samples)["ttft_p95_s"]
    assert (gate.measured, gate.status, gate.over_percent, gate.sure) == (None, Status.UNPROVEN, None, False)


def test_what_is_not_promised_is_not_judged() -> None:
    """Not even the error rate, where 1 turns it off."""
    assert gates(spread(100), Slo(error_rate=1)) == {}


def test_embeddings_have_no_first_token_to_judge() -> None:
    """A run of them is judged by its errors and its good requests."""
    embeddings = [sample._replace(kind=Kind.EMBEDDING, first_s=None) for sample in spread(100)]
    assert [*gates(embeddings)] == ["error_rate", "goodput"]


def test_a_promise_within_the_interval_is_not_sure() -> None:
    """Two failures of 300 hold 1 %, and the next run might not."""
    gate = gates([*spread(298), failed(1), failed(2)])["error_rate"]
    assert gate.status is Status.HELD
    assert not gate.sure
    assert "within the interval" in gate.says


def test_no_failure_at_all_is_no_proof_of_zero() -> None:
    """Of 300 requests without a failure the error rate may be up to a percent and more."""
    gate = gates(spread(300))["error_rate"]
    assert (gate.measured, gate.low) == (0, 0)
    assert gate.high == pytest.approx(0.0126, abs=1e-4)


def test_a_promise_of_no_failure_breaks_with_the_first() -> None:
    """There is no percentage of zero to be over by."""
    gate = gates([*spread(300), failed(1)], Slo(error_rate=0))["error_rate"]
    assert (gate.status, gate.over_percent) == (Status.BROKEN, None)
