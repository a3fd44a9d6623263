"""``python -m loadtests`` as it is started: locust, one worker or several, files, exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from cluster.errors import FreeholdError, UsageError
from cluster.kube.values.network import LoadTest
from cluster.ports import free_port
from loadtests.__main__ import loadtest as command
from loadtests.ceiling import nothing
from loadtests.facts import Outcome
from loadtests.samples import read_samples

FLEET = """
name: f
models: { m: { engine: url, url: "http://127.0.0.1:9/v1" } }
tiers: { small: [m] }
traffic: { users: 8, think_seconds: 0.1, prompt_tokens: { p50: 50, p95: 100 }, output_tokens: { p50: 1, p95: 2 } }
slo: { ttft_p95_s: 60, error_rate: 0.2 }
"""
"""Each answer of the engine that does nothing takes 50 or 100 ms, so that a second is enough for 72 requests."""


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    """A fleet file; who answers is said by ``--url``."""
    file = tmp_path / "fleet.yaml"
    file.write_text(FLEET)
    return str(file)


def loadtest(*options: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}
    command = [sys.executable, "-W", "error", "-m", "loadtests", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_promises_that_hold_and_one_that_cannot(tmp_path: Path, fleet: str) -> None:
    """Several workers and one; JSON, HTML, JUnit and samples tell the same; compare finds its way to the results."""
    files = {name: tmp_path / f"held.{name}" for name in ("json", "html", "junit", "samples")}
    shared = ("--fleet", fleet, "--no-ceiling")
    with nothing() as url:
        wanted = [word for name, file in files.items() for word in (f"--{name}", str(file))]
        held = loadtest(
            *shared, "--url", url, "--users", "40", "--duration", "1.5", "--workers", "2", "--whole", *wanted
        )
        assert held.returncode == 0, held.stdout + held.stderr
        impossible = (
            "--rate",
            "150",
            "--duration",
            "1",
            "--slo",
            "ttft_p95_s=0.0001",
            "--json",
            str(tmp_path / "b.json"),
        )
        broken = loadtest(*shared, "--url", url, *impossible)
        assert broken.returncode == 1, broken.stdout + broken.stderr
    result = json.loads(files["json"].read_bytes())
    samples = list(read_samples(files["samples"]))
    assert result["passed"]
    assert result["generator"]["workers"] == 2
    assert result["counted"]["requests"] == len(samples) >= 72
    assert {sample.outcome for sample in samples} == {Outcome.COMPLETE}
    assert ET.parse(files["junit"]).getroot().get("failures") == "0"  # noqa: S314 - our own file
    assert "<svg" in files["html"].read_text()
    assert "broken   ttft_p95_s" in broken.stdout
    compared = loadtest("compare", str(files["json"]), str(tmp_path / "b.json"))
    assert "ttft_p95_s" in compared.stdout
    assert compared.returncode in {0, 1}


@pytest.mark.parametrize(
    ("options", "code", "why"),
    [
        pytest.param(("--users", "2"), 2, "--url", id="no address"),
        pytest.param(("--url", "http://127.0.0.1:{port}", "--users", "2"), 3, "nobody takes requests", id="nobody"),
        pytest.param(("--url", "http://127.0.0.1:{port}"), 2, "exactly one", id="no load"),
        pytest.param(("--url", "x", "--users", "2"), 2, "--url must be like", id="no URL"),
        pytest.param(("--url", "x", "--users", "2", "--duration", "5x"), 2, "5x is no duration", id="no duration"),
        pytest.param(("--url", "x", "--users", "2", "--slo", "ttft=x"), 2, "--slo: must be", id="no promise"),
        pytest.param(("--url", "x", "--users", "2", "--bind", "x"), 2, "--bind: must be", id="no place to join"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_sent(
    fleet: str, options: tuple[str, ...], code: int, why: str
) -> None:
    """And the exit code says whose fault it is."""
    told = CliRunner().invoke(command, ["--fleet", fleet, *(option.format(port=free_port()) for option in options)])
    assert isinstance(told.exception, FreeholdError | SystemExit)
    assert getattr(told.exception, "exit_code", told.exit_code) == code
    assert why in f"{told.exception}{told.stderr}"


def test_an_error_is_one_line(fleet: str) -> None:
    """No traceback, and its exit code is the command's."""
    told = loadtest("--fleet", fleet, "--url", f"http://127.0.0.1:{free_port()}", "--users", "2")
    assert told.returncode == 3
    assert told.stderr.count("\n") == 1
    assert told.stderr.startswith("freehold: nobody takes requests")


def test_without_locust_it_says_what_to_install(fleet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install has none."""
    monkeypatch.setitem(sys.modules, "locust", None)
    told = CliRunner().invoke(command, ["--fleet", fleet, "--url", "http://127.0.0.1:1", "--users", "2"])
    assert isinstance(told.exception, UsageError)
    assert "pip install 'freehold[loadtest]'" in str(told.exception)


def test_the_charts_job_gives_options_that_there_are() -> None:
    """With the form that its values have."""
    job = (Path(__file__).parents[2] / "helm/freehold/templates/loadtest.yaml").read_text()
    known = {option for parameter in command.params for option in parameter.opts}
    given = re.findall(r"^ +- (--[a-z]+)=", job, re.MULTILINE)
    assert set(given) <= known
    assert {"--fleet", "--url", "--users", "--duration"} <= set(given)
    told = CliRunner().invoke(command, ["--duration", LoadTest().duration, "--url", "x", "--users", "1"])
    assert "--url must be like" in str(told.exception)
