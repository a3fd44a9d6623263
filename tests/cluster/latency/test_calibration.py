"""Calibration: factors that are found again, kept, and used."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.errors import CatalogError
from cluster.latency.calibration import Point, applied, file, fit, keep, kept, wrong
from cluster.latency.cpu import CpuTiming
from cluster.latency.load import Lengths, closed
from cluster.latency.replica import calibration_key, timing_of, uncalibrated
from cluster.latency.timing import Step
from cluster.spec import Model
from cluster.supervise.state import Home

TINY = Model(source="builtin:tiny-small")
TIMING = CpuTiming(kv_tokens=100_000, max_seqs=64, max_batched_tokens=2048)
SLOW = {"fixed_s": 1.7, "seq_s": 0.6, "token_s": 2.0, "request_s": 3.0}


def measured(timing: CpuTiming, callers: float) -> Point:
    """What a machine with this timing would measure."""
    pace = closed(timing, Lengths(300, 60), callers)
    return Point(prompt=300, output=60, ttft_s=pace.ttft_s, tpot_s=pace.tpot_s, callers=callers)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    return tmp_path


def test_half_of_a_sweep_tells_the_other_half() -> None:
    """A machine that is off in every part is found from three loads, and two others are predicted within 5 %."""
    points = [measured(applied(TIMING, SLOW), callers) for callers in (1, 2, 4, 8, 16)]
    before = wrong(TIMING, points[1::2])
    after = wrong(applied(TIMING, fit(TIMING, points[::2])), points[1::2])
    assert min(before.tpot, before.ttft) > 0.2
    assert max(after.tpot, after.ttft) < 0.05


def test_what_was_right_stays() -> None:
    """Measurements that agree with the timing leave it as it is."""
    factors = fit(TIMING, [measured(TIMING, callers) for callers in (1, 4, 16)])
    assert all(by == pytest.approx(1, abs=0.05) for by in factors.values())


def test_what_is_kept_is_used() -> None:
    """From then on, by whoever asks for the model's timing; other models keep theirs."""
    keep(calibration_key(TINY), {"fixed_s": 2.0, "seq_s": 2.0, "token_s": 2.0})
    step = Step(100, 0, 4, 400)
    assert timing_of(TINY).step_s(step) == pytest.approx(2 * uncalibrated(TINY).step_s(step))
    large = Model(source="builtin:tiny-large")
    assert timing_of(large).step_s(step) == uncalibrated(large).step_s(step)


def test_calibrations_lie_beside_each_other(home: Path) -> None:
    """A second one does not undo the first, and both are where a fleet keeps its files."""
    keep("a on cpu", {"fixed_s": 2.0})
    keep("b on 1 x L4", {"fixed_s": 3.0})
    assert (kept("a on cpu"), kept("b on 1 x L4"), kept("c")) == ({"fixed_s": 2.0}, {"fixed_s": 3.0}, {})
    assert file() == Home.from_environment().root / "calibration.json" == home / "calibration.json"


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', '{"a": {"fixed_s": "fast"}}'], ids=str)
def test_a_spoilt_file_is_named(home: Path, text: str) -> None:
    """With the way out."""
    (home / "calibration.json").write_text(text)
    with pytest.raises(CatalogError, match=r"calibration\.json.*remove it, or calibrate again"):
        kept("a")
