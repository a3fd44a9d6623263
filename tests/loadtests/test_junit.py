"""JUnit XML of a result: a case for each gate, and what is not held fails."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from loadtests.facts import Sample
from loadtests.junit import junit
from loadtests.result import conclude, whole
from tests.loadtests.synthetic import FLEET, PROMISED, at, run_of, steadily

NASTY = 'a"<&>\x00\x1b]]>ü'


def suite_of(samples: list[Sample], folder: Path, **more: str) -> ET.Element:
    """The one suite of what was written."""
    run = run_of(samples, folder, PROMISED, **more)
    suites = ET.fromstring(junit(conclude(run, FLEET, whole(run))))  # noqa: S314 - our own
    (suite,) = suites.iter("testsuite")
    return suite


@pytest.mark.parametrize(
    ("samples", "failures"),
    [
        pytest.param(steadily(500), [], id="all held"),
        pytest.param(steadily(500, slower=15), ["ttft_p95_s", "tpot_p95_s", "e2e_p95_s", "goodput"], id="broken"),
        pytest.param([at(1)], ["ttft_p95_s", "tpot_p95_s", "e2e_p95_s", "error_rate", "goodput"], id="unproven"),
    ],
)
def test_each_gate_is_a_case(samples: list[Sample], failures: list[str], tmp_path: Path) -> None:
    """Its failure carries the sentence that says by how much."""
    suite = suite_of(samples, tmp_path)
    assert len(suite.findall("testcase")) == 5
    failing = [case for case in suite.findall("testcase") if case.find("failure") is not None]
    assert [case.get("name") for case in failing] == failures
    assert suite.get("failures") == str(len(failures))
    assert all("promised" in str(case.findall("failure")[0].get("message")) for case in failing)


def test_names_that_xml_cannot_hold_are_replaced(tmp_path: Path) -> None:
    """Control characters; everything else is escaped."""
    suite = suite_of([at(1, tier=NASTY)], tmp_path, fleet=NASTY, scenario=NASTY)
    case = suite.find("testcase")
    assert case is not None
    assert 'a"<&>??]]>ü' in str(case.get("classname"))
