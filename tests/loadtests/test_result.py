"""A result: everything that a run says, in a form that is published and can be read again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.errors import UsageError
from cluster.spec import Slo
from loadtests import result as module
from loadtests.facts import Kind, Outcome, Run, Sample
from loadtests.figures import Window
from loadtests.junit import junit
from loadtests.page import page
from loadtests.result import Result, conclude, schema, steady, whole
from tests.loadtests.synthetic import CHAT, FLEET, PROMISED, at, failed, run_of, steadily

SCHEMA = Path(module.__file__).with_name("result.schema.json")
MIXED: list[Sample] = [
    *steadily(500),
    *(at(30 + number / 10, tenant="b", tier="large", model="n", reason="long") for number in range(100)),
    failed(40, "overloaded"),
    at(41, outcome=Outcome.CANCELLED, end_s=41.2),
]


@pytest.fixture
def mixed(tmp_path: Path) -> Result:
    """Two tiers, two tenants, a failure and a cancelled stream."""
    run = run_of(MIXED, tmp_path)
    return conclude(run, FLEET, steady(run))


def test_the_published_schema_is_that_of_the_code() -> None:
    """Whoever changes a field writes the file anew, as ``json.dumps(schema(), indent=2)``."""
    assert json.loads(SCHEMA.read_text()) == schema()


@pytest.mark.parametrize(
    "samples", [MIXED, [], [failed(1)], [at(50)]], ids=["mixed", "no request", "no answer", "one answer"]
)
def test_a_result_is_valid_by_its_schema_and_reads_back(samples: list[Sample], tmp_path: Path) -> None:
    """Whatever happened in the run: no infinity, no NaN."""
    run = run_of(samples, tmp_path)
    found = conclude(run, FLEET, whole(run))
    found.write(tmp_path / "result.json")
    jsonschema.validate(json.loads((tmp_path / "result.json").read_text()), schema())
    assert Result.read(tmp_path / "result.json") == found


ANYTHING = st.builds(
    CHAT._replace,
    kind=st.sampled_from(Kind),
    tier=st.sampled_from(["", "small", "large", "spillover"]),
    model=st.sampled_from(["", "m", "n"]),
    prompt_tokens=st.integers(0, 200_000),
    output_tokens=st.integers(0, 3000),
    intended_s=st.floats(0, 130),
    sent_s=st.floats(0, 130),
    first_s=st.none() | st.floats(0, 200),
    end_s=st.floats(0, 200),
    outcome=st.sampled_from(Outcome),
    error=st.sampled_from(["", "overloaded", "\x00"]),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.lists(ANYTHING, max_size=30), window=st.sampled_from([steady, whole]))
def test_whatever_came_back_there_is_a_result(
    samples: list[Sample], window: Callable[[Run], Window], tmp_path: Path
) -> None:
    """Answers without tokens, clocks that jumped, tiers that nobody knows: finite figures, a page, and JUnit."""
    run = run_of(samples, tmp_path)
    found = conclude(run, FLEET, window(run))
    found.write(tmp_path / "result.json")
    assert Result.read(tmp_path / "result.json") == found
    assert page(found)
    assert junit(found)


def test_tiers_tenants_and_reasons_are_told_apart(mixed: Result) -> None:
    """Each part has the same figures as the whole; what never got a tier is in the whole only."""
    assert {name: part["complete"] for name, part in mixed.tenants.items()} == {
        "a": pytest.approx(450, abs=30),
        "b": 100,
    }
    assert mixed.tiers["large"].keys() == mixed.metrics.keys()
    assert mixed.tiers["large"]["ttft_p95_s"] == pytest.approx(0.1)
    assert mixed.reasons["long"] == 100
    assert mixed.errors == {"overloaded": 1}
    assert mixed.metrics["cancelled"] == 1


@pytest.mark.parametrize(("window", "since", "until"), [(steady, 10, 100), (whole, 0, 101)], ids=["steady", "all"])
def test_the_seconds_that_count_are_stated(
    window: Callable[[Run], Window], since: float, until: float, tmp_path: Path
) -> None:
    """Steady state begins after a tenth of the duration; what is left out is counted."""
    run = run_of([at(5, ttft_s=9), *(at(number) for number in range(10, 100))], tmp_path)
    counted = conclude(run, FLEET, window(run)).counted
    assert (counted.since_s, counted.until_s) == (since, until)
    assert (counted.requests, counted.left_out) == ((90, 1) if since else (91, 0))


def test_a_slow_answer_counts_where_it_began_and_its_tokens_where_they_came(tmp_path: Path) -> None:
    """Otherwise the slowest answers would be left out with the end of the run, and latencies would look better."""
    run = run_of([*(at(number) for number in range(99)), at(99, ttft_s=30)], tmp_path, elapsed_s=130.0)
    found = conclude(run, FLEET, steady(run))
    assert found.metrics["ttft_p99_s"] == pytest.approx(30)
    assert found.metrics["requests_per_s"] == pytest.approx(89 / 90, abs=1 / 90)


def test_a_run_passes_when_every_gate_holds(tmp_path: Path) -> None:
    """One broken gate is enough to fail."""
    run = run_of(steadily(1000), tmp_path)
    assert conclude(run, FLEET, steady(run)).passed
    strict = replace(run, slo=Slo(ttft_p95_s=1, tpot_p95_s=0.01))
    assert not conclude(strict, FLEET, steady(strict)).passed


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "Invalid JSON"), ("{}", "fleet: Field required"), ('{"version": 2}', "version: Input should be 1")],
    ids=["no JSON", "something else", "another version"],
)
def test_what_is_no_result_is_refused_with_its_reason(text: str, why: str, tmp_path: Path) -> None:
    """The file and the first field that is wrong."""
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=f"x.json: no result of freehold loadtest, version 1: .*{why}"):
        Result.read(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """With the system's reason."""
    with pytest.raises(UsageError, match=r"none\.json: cannot be read: No such file"):
        Result.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("more", "doubt"),
    [
        pytest.param({"cores": 0.97}, "0.97 cores", id="busy"),
        pytest.param({"elapsed_s": 1.0}, "of the generator's own ceiling", id="near its ceiling"),
        pytest.param({"ceiling": None}, "", id="not measured"),
        pytest.param({}, "", id="idle"),
    ],
)
def test_a_generator_that_was_the_bottleneck_is_doubted(more: dict[str, Any], doubt: str, tmp_path: Path) -> None:
    """Its processor, and its ceiling, where that was measured."""
    run = run_of(steadily(4000), tmp_path, PROMISED, **more)
    doubts = conclude(run, FLEET, whole(run)).generator.doubts
    assert doubt in "; ".join(doubts)
    assert bool(doubts) == bool(doubt)


def test_a_late_generator_is_doubted(tmp_path: Path) -> None:
    """Latencies count from the intended time, so its lateness is in them."""
    late = [sample._replace(sent_s=sample.intended_s + 0.05) for sample in steadily(200)]
    run = run_of(late, tmp_path)
    side = conclude(run, FLEET, whole(run)).generator
    assert side.late_p95_s == pytest.approx(0.05)
    assert "50 ms late" in side.doubts[0]
