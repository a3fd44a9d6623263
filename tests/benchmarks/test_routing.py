"""What the router's benchmark measures, on labels that can be learned."""

from __future__ import annotations

import pytest

from benchmarks.lab.decisions import decision_times
from benchmarks.lab.routing import drift
from router.learn.artefact import Trained
from router.learn.train import train
from tests.router.learn.prompts import labels


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A router for arithmetic."""
    return train(labels(300), {}, 0, tmp_path_factory.mktemp("router"))


def test_a_rolling_threshold_holds_where_a_fixed_one_drifts(trained: Trained) -> None:
    """First all the easy prompts, then all the hard ones."""
    found = drift(trained, sorted(labels(1000, seed=3), key=lambda label: label.topic))
    assert found["drift_large_share"] == pytest.approx(0.2, abs=0.02)
    assert found["drift_worst_block_share"] <= 0.35 < found["drift_fixed_worst_block_share"]


def test_every_figure_of_a_decision_is_there(trained: Trained) -> None:
    """Times are times; begging changes a share of few prompts at most."""
    found = decision_times(trained, [label.prompt for label in labels(200)], rounds=20)
    assert {"decision_2k_tokens_p50_ms", "decision_100k_tokens_p99_ms", "hostile_worst_ms"} <= found.keys()
    assert all(value > 0 for name, value in found.items() if name.endswith("_ms"))
    assert -1 <= found["begging_extra_large_share"] <= 1
    assert -1 <= found["begging_extra_spill_share"] <= 1
