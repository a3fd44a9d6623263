"""Comparisons: equal runs show no difference, unequal ones show which, and what was not alike is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.spec import Tiers
from loadtests.compare import Comparison, Difference, Verdict, compare
from loadtests.facts import Sample
from loadtests.result import Result, conclude, whole
from tests.loadtests.synthetic import FLEET, PROMISED, at, failed, run_of, steadily

UNPREDICTED = FLEET.model_copy(update={"tiers": Tiers()})
"""A prediction takes longer than all the rest."""


def result_of(samples: list[Sample], folder: Path, **more: object) -> Result:
    """Of a whole run."""
    run = run_of(samples, folder, PROMISED, **more)
    return conclude(run, UNPREDICTED, whole(run))


def compared(a: list[Sample], b: list[Sample], folder: Path) -> dict[str, Difference]:
    """By figure."""
    return {one.figure: one for one in sides(a, b, folder).differences}


def sides(a: list[Sample], b: list[Sample], folder: Path) -> Comparison:
    """The second against the first."""
    return compare(result_of(a, folder), result_of(b, folder), ("a.json", "b.json"))


def test_a_run_does_not_differ_from_itself(tmp_path: Path) -> None:
    """Neither in figures nor in surroundings."""
    found = sides(steadily(500), steadily(500), tmp_path)
    assert {one.verdict for one in found.differences} == {Verdict.SAME}
    assert {one.difference for one in found.differences} == {0}
    assert found.unlike == found.worse == ()


def test_equal_fleets_are_seldom_told_apart(tmp_path: Path) -> None:
    """Of ten pairs of runs that differ by chance alone, one at most shows a difference in any of thirteen figures."""
    runs = [result_of(steadily(500, seed), tmp_path) for seed in range(20)]
    pairs = [compare(a, b, ("a", "b")) for a, b in zip(runs[::2], runs[1::2], strict=True)]
    apart = [any(one.verdict is not Verdict.SAME for one in pair.differences) for pair in pairs]
    assert sum(apart) <= 1


def test_a_slower_fleet_is_worse_by_as_much(tmp_path: Path) -> None:
    """A fifth slower: every latency says so, and the truth lies within the interval; throughput does not."""
    found = compared(steadily(3000), steadily(3000, seed=2, slower=1.2), tmp_path)
    ttft = found["ttft_p95_s"]
    assert ttft.verdict is Verdict.WORSE
    assert ttft.percent == pytest.approx(20, abs=3)
    assert ttft.low is not None
    assert ttft.high is not None
    assert ttft.low < 0.2 * (ttft.a or 0) < ttft.high
    assert found["requests_per_s"].verdict is Verdict.SAME
    assert found["error_rate"].verdict is Verdict.SAME


@pytest.mark.parametrize(
    ("b", "figure", "verdict"),
    [
        pytest.param(steadily(2000, slower=0.7), "e2e_p50_s", Verdict.BETTER, id="faster"),
        pytest.param(steadily(4000), "requests_per_s", Verdict.BETTER, id="more answers"),
        pytest.param(steadily(1000), "output_tokens_per_s", Verdict.WORSE, id="fewer tokens"),
        pytest.param([*steadily(2000), *map(failed, range(100))], "error_rate", Verdict.WORSE, id="errors"),
        pytest.param([*steadily(2000), *map(failed, range(100))], "goodput", Verdict.WORSE, id="less goodput"),
        pytest.param([*map(failed, range(100))], "ttft_p50_s", Verdict.UNKNOWN, id="no answer"),
    ],
)
def test_each_figure_has_a_better_and_a_worse(b: list[Sample], figure: str, verdict: Verdict, tmp_path: Path) -> None:
    """Seconds and failures are better few, answers many."""
    assert compared(steadily(2000), b, tmp_path)[figure].verdict is verdict


def test_buckets_find_no_difference_by_themselves(tmp_path: Path) -> None:
    """Two constants a thousandth apart may fall into two buckets that are a hundredth apart."""
    a = [at(number / 10, ttft_s=0.1 * 1.01**0.4995) for number in range(1000)]
    b = [at(number / 10, ttft_s=0.1 * 1.01**0.6) for number in range(1000)]
    assert compared(a, b, tmp_path)["ttft_p50_s"].verdict is Verdict.SAME


def test_what_was_not_alike_is_said(tmp_path: Path) -> None:
    """Users, machine, versions: a difference may come from them."""
    a = result_of(steadily(100), tmp_path)
    b = result_of(steadily(100), tmp_path, users=20, versions={"freehold": "1"}, cores=0.99)
    found = compare(a, b, ("a", "b")).unlike
    assert found[:2] == ("users: 10 and 20", "versions")
    assert found[2].startswith("B: a generator process used 0.99 cores")
