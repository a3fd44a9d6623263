"""``freehold calibrate`` from the command line, with results of ``vllm bench serve`` and against a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cluster.cli import freehold
from cluster.latency.load import Lengths, closed
from cluster.latency.replica import timing_of
from cluster.load import load_fleet
from tests.house.source import ROOT
from tests.openai_server import openai_server

FLEET = ROOT / "fleets/demo.yaml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    return tmp_path


def calibrate(*arguments: str) -> Result:
    """Run the command for the demo's small model."""
    return CliRunner().invoke(freehold, ["calibrate", "--fleet", str(FLEET), "-m", "tiny-small", *arguments])


def benches(folder: Path, slower: float) -> list[str]:
    """Results of a machine that is slower than the built-in figures, at four loads, as options."""
    timing = timing_of(load_fleet(FLEET).models["tiny-small"])
    options = []
    for callers in (1, 4, 8, 16):
        pace = closed(timing, Lengths(100, 50), callers)
        file = folder / f"{callers}.json"
        latencies = {"mean_ttft_ms": 1e3 * slower * pace.ttft_s, "mean_tpot_ms": 1e3 * slower * pace.tpot_s}
        lengths = {"completed": 10_000, "total_input_tokens": 1_000_000, "total_output_tokens": 500_000}
        file.write_text(json.dumps({**latencies, **lengths, "request_rate": "inf", "max_concurrency": callers}))
        options += ["--bench", str(file)]
    return options


def test_errors_are_shown_and_factors_kept(home: Path) -> None:
    """A machine half as fast: wrong by half before, right afterwards, also at loads that were held out."""
    done = calibrate(*benches(home, 2.0), "--json")
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["errors"]["before"]["tpot"] == pytest.approx(0.5, abs=0.01)
    assert max(facts["errors"]["after"].values()) < 0.05
    assert max(facts["errors"]["held_out"].values()) < 0.1
    assert Path(facts["file"]) == home / "calibration.json"


def test_a_dry_run_keeps_nothing(home: Path) -> None:
    """The same errors in words, and no file."""
    done = calibrate(*benches(home, 1.0), "--dry-run")
    assert "before: TPOT 0%" in done.stdout
    assert "nothing kept" in done.stdout
    assert not (home / "calibration.json").exists()


def test_a_running_server_is_swept(home: Path) -> None:
    """Without results, the command measures by itself."""
    with openai_server() as server:
        done = calibrate("--url", server, "--callers", "1,2", "--requests", "2", "--prompt-words", "3")
    assert done.exit_code == 0, done.output
    assert (home / "calibration.json").exists()


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["-m", "nobody"], "--model nobody: not in"),
        (["--callers", "4"], "--callers 4: name at least two loads"),
        (["--callers", "0,x"], "--callers 0,x"),
    ],
    ids=["model", "one load", "no numbers"],
)
def test_wrong_use_is_named(arguments: list[str], cause: str) -> None:
    """With exit code 2."""
    done = calibrate(*arguments)
    assert done.exit_code == 2
    assert cause in done.stderr
