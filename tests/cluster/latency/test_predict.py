"""Predictions: inside their intervals, sure where measured, honest where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.latency.calibration import PARTS, keep, key
from cluster.latency.configuration import read
from cluster.latency.predict import Prediction, predict, predict_row
from tests.cluster.latency.rows import ROW


def of(**changes: str) -> Prediction:
    """The prediction for a changed row."""
    return predict(read(ROW | changes))


@pytest.mark.parametrize("metric", ["tpot", "ttft", "e2e", "output_throughput", "batch_latency", "itl"])
def test_an_interval_holds_its_prediction(metric: str) -> None:
    """Whatever the metric; and it is not absurdly wide where model and GPU were measured."""
    found = of(metric=metric)
    assert 0 < found.low <= found.high < 40 * found.low
    assert found.low <= found.value * 1.3
    assert found.high >= found.value / 1.3


def test_known_pairs_are_surer() -> None:
    """A pair that was measured has a narrower interval than a GPU that never was."""
    known, new = of(), of(gpu="L40", quant="int4")
    assert known.high / known.low < new.high / new.low
    assert "was measured on this GPU" in known.reason
    assert "never measured" in new.reason


def test_a_known_figure_comes_out() -> None:
    """70B in FP8 on two H200 under 32 callers: about 20 ms a token, as InferenceX has measured again and again."""
    found = of(gpu="H200-SXM", tp="2", n_gpus="2", isl="1024", osl="1024", engine_version="0.11.0")
    assert 0.012 < found.value < 0.030


def test_far_away_the_correction_fades() -> None:
    """Beyond what was measured the trees have no say: more work is more time again."""
    near, far = of(load_value="512"), of(load_value="100000")
    assert far.value > near.value


def test_a_row_keeps_its_unit() -> None:
    """Milliseconds unless the row says otherwise; throughput is tokens a second."""
    assert float(predict_row(ROW)["predicted"]) == pytest.approx(1000 * of().value, rel=1e-4)
    assert float(predict_row({**ROW, "unit": "s"})["predicted"]) == pytest.approx(of().value, rel=1e-4)


def test_without_data_there_is_a_reason() -> None:
    """And no figure."""
    found = predict_row({**ROW, "model": "unheard-of"})
    assert (found["predicted"], found["low"], found["high"]) == ("", "", "")
    assert found["reason"].startswith("no data for this: no model 'unheard-of'")


def test_a_calibration_counts_more_than_what_was_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps that are three times as slow here are predicted so, for this model on these GPUs only."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    before, other = of(), of(gpu="H200-SXM")
    keep(key("llama-3.1-70b", "H100-SXM", 4), dict.fromkeys(PARTS, 3.0))
    after = of()
    assert 2 < after.value / before.value < 4
    assert "own measurements" in after.reason
    assert of(gpu="H200-SXM") == other


@pytest.mark.parametrize(
    "changes",
    [
        {"load_kind": "burst", "load_value": "1", "n_gpus": "1000000000"},
        {"load_kind": "open", "load_value": "1e-300"},
        {"load_value": "1e9", "isl": "1e9", "osl": "1e9"},
        {"isl": "0.001", "osl": "0.001", "tp": "0", "n_gpus": "0", "ep": "5000"},
    ],
    ids=["less than one each", "hardly any load", "too much of everything", "nothing of it"],
)
def test_extremes_have_figures_too(changes: dict[str, str]) -> None:
    """Positive and in order, for each kind of metric."""
    for metric in ("tpot", "ttft", "output_throughput", "batch_latency"):
        found = of(**changes, metric=metric)
        assert 0 < found.low <= found.high < float("inf")
