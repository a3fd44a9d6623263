"""What grades predictions: trees that learn, rows that are held out whole, errors that are counted right."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.boosting import Recipe, fit
from benchmarks.lab.capacity_data import FOLDS, Measured, folds, load, measured
from benchmarks.lab.capacity_fit import doubts, spreads, trusted
from benchmarks.lab.capacity_score import errors, gpu_counts, summary
from benchmarks.lab.likeness import KINDS, Taste
from benchmarks.lab.likeness import fit as alike
from cluster.errors import UsageError
from tests.cluster.latency.rows import ROW

LOADS = (4, 8, 16, 32, 64, 128)
RECIPE = Recipe(trees=60, depth=3, rate=0.2)


def sweep() -> Measured:
    """Twelve curves that say exactly what physics says, times a factor by curve."""
    rows = []
    for number, (gpu, prompt) in enumerate((gpu, prompt) for gpu in ("H100", "H200", "B200") for prompt in range(4)):
        curve = {"config_id": f"c{number}", "source": "test", "unit": "ms", "gpu": gpu, "isl": str(500 * (prompt + 1))}
        rows += [ROW | curve | {"load_value": str(callers), "value": "1"} for callers in LOADS]
    data = measured([*rows, ROW | {"gpu": "Z80", "value": "1", "unit": "ms", "config_id": "c", "source": "test"}])
    return replace(data, truth=data.physics.copy())


DATA = sweep()


def test_trees_learn_what_depends_on_the_features() -> None:
    """An interaction of two features among noise, on rows that were not fitted."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(1200, 6))
    target = 0.3 * (rows[:, 0] > 0) * (rows[:, 1] > 0.5) + 0.1 * rows[:, 2]
    found = fit(rows[:900], target[:900], RECIPE)(rows[900:])
    assert np.abs(found - target[900:]).mean() < 0.35 * np.abs(target[900:] - target[:900].mean()).mean()
    assert (found == fit(rows[:900], target[:900], RECIPE)(rows[900:])).all()


@pytest.mark.parametrize("by", ["curve", "pair", "model"])
def test_what_belongs_together_is_held_out_together(by: str) -> None:
    """No curve, pair or model is in two folds."""
    keys = DATA.keys(by)
    found = folds(keys)
    assert all(len({fold for fold, other in zip(found, keys, strict=True) if other == key}) == 1 for key in set(keys))
    assert set(found) <= set(range(FOLDS))


def test_rows_without_data_are_counted() -> None:
    """An unknown GPU is no configuration."""
    assert (len(DATA.rows), DATA.unanswered) == (72, 1)


def test_a_perfect_prediction_counts_every_gpu_right() -> None:
    """And one that takes engines for twice as fast buys too few."""
    right, hopeful = gpu_counts(DATA, DATA.truth), gpu_counts(DATA, DATA.truth - math.log(2))
    assert right["gpus_within_15"] == right["gpus_between_within_15"] == 100
    assert hopeful["gpus_short_by_10"] > 50
    assert hopeful["gpus_between_short_by_10"] > 50


def test_errors_are_relative() -> None:
    """A tenth more and a tenth less are a tenth off."""
    found = summary("x", errors(np.log([1.1, 0.9, 1.1]), np.log([1.0, 1.0, 1.0])))
    assert found == pytest.approx({"x_median": 10, "x_p90": 10})


def test_trees_are_trusted_by_what_they_did() -> None:
    """Wholly where they said what was left, not at all where they said the opposite."""
    left = np.tile([0.2, -0.2], len(DATA.rows) // 2)
    shifted = replace(DATA, truth=DATA.physics + left)
    assert trusted(shifted, "tpot", left) == 1
    assert trusted(shifted, "tpot", -left) == 0


def test_an_interval_holds_four_fifths() -> None:
    """By construction, on the rows it was made from."""
    left = np.random.default_rng(0).normal(size=len(DATA.rows))
    doubt = np.random.default_rng(1).uniform(0.1, 1, size=len(DATA.rows))
    spread = spreads(DATA, "pair", left, doubt)["tpot closed pair"]
    bands = [spread.band(one) for one in doubt]
    inside = [band.low <= one - band.moved <= band.high for band, one in zip(bands, left, strict=True)]
    assert np.mean(inside) == pytest.approx(0.8, abs=0.03)


def test_doubt_follows_the_errors_of_others() -> None:
    """Curves of one GPU were ten times as wrong: so is what is said of each, without its own errors."""
    wrong = np.array([0.5 if row["gpu"] == "H200" else 0.05 for row in DATA.rows])
    found = doubts(DATA, "curve", wrong)
    assert np.median(found[wrong > 0.1]) > 2 * np.median(found[wrong < 0.1])


def test_predictions_lean_to_where_relative_errors_are_small() -> None:
    """Twice a figure is 100 % wrong and half of it 50 %: the wider the errors, the lower."""
    moved = []
    for scale in (0.05, 0.5):
        left = np.random.default_rng(0).normal(scale=scale, size=len(DATA.rows))
        doubt = np.full(len(left), scale)
        moved.append(spreads(DATA, "pair", left, doubt)["tpot closed pair"].band(scale).moved)
    narrow, wide = moved
    assert wide < narrow < 0.03


def test_what_is_alike_is_alike() -> None:
    """Bumps follow what they were fitted to, whatever one row in twenty says, and are flat far away."""
    random = np.random.default_rng(0)
    names = [name for members in KINDS.values() for name in members]
    rows = np.zeros((300, len(names)))
    rows[:, :2] = random.uniform(size=(300, 2))
    smooth = np.sin(3 * rows[:, 0]) + rows[:, 1]
    noisy = smooth + np.where(np.arange(300) % 20, 0, 5)
    found = alike(rows, noisy, names, Taste(dict.fromkeys(KINDS, 2.0), centres=200))
    assert np.median(np.abs(found(rows) - smooth)) < 0.05
    assert abs(found(rows[:1] + 1000)[0]) < 1e-6


def test_without_measurements_there_is_a_way_out(tmp_path: Path) -> None:
    """The file is named, and the option."""
    with pytest.raises(UsageError, match=r"no measurements at .*truth\.csv: name a file with --truth"):
        load(tmp_path / "truth.csv")
