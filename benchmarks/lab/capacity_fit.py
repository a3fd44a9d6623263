"""Fits the learned residual of :mod:`cluster.latency` to measurements: ``python benchmarks/lab/capacity_fit.py``.

Deterministic. Three times the measurements are held out (whole curves, whole pairs of model and GPU, whole models) to
see how far the trees can be trusted and how wide the intervals must be; then all of them are fitted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.boosting import Recipe, fit
from benchmarks.lab.capacity_data import FOLDS, TRUTH, Floats, Measured, folds, load, measured
from cluster.latency.residual import LEVELS, Forest

RECIPE = Recipe()
HELD_OUT = dict(zip(LEVELS, ("curve", "pair", "model"), strict=True))
TRUSTS = np.linspace(0, 1, 11)
ENOUGH = 40
"""Rows of a kind of load that make an interval of their own."""


def held_out(data: Measured, by: str, recipe: Recipe = RECIPE) -> Floats:
    """What the trees say of each row when they have not seen its curve, pair or model; logarithms of slower."""
    groups, fold = data.groups, folds(data.keys(by))
    answers = np.zeros(len(data.rows))
    slower = data.sign * (data.truth - data.physics)
    for group in np.unique(groups):
        for number in range(FOLDS):
            train = np.flatnonzero((groups == group) & (fold != number))
            test = np.flatnonzero((groups == group) & (fold == number))
            answers[test] = fit(data.features[train], slower[train], recipe)(data.features[test])
    return answers


def trusted(data: Measured, group: str, answers: Floats) -> float:
    """The factor for the trees' answers that leaves the least error; errors beyond a factor of 2 count as that."""
    rows = data.groups == group
    slower = data.sign * (data.truth - data.physics)
    left = [np.minimum(np.abs(slower - trust * answers)[rows], np.log(2)).mean() for trust in TRUSTS]
    return float(TRUSTS[int(np.argmin(left))])


def spreads(
    data: Measured, level: str, left: Floats, among: NDArray[np.bool_] | None = None
) -> dict[str, tuple[float, float]]:
    """The 10th and 90th percentile of measured over predicted, by group, and by kind of load where there is enough."""
    among = np.ones(len(left), dtype=bool) if among is None else among
    kinds = np.array([asked.kind for asked in data.configurations])
    found = {}
    for group in np.unique(data.groups):
        rows = (data.groups == group) & among
        found[f"{group} {level}"] = _band(left[rows])
        for kind in np.unique(kinds[rows]):
            if (rows & (kinds == kind)).sum() >= ENOUGH:
                found[f"{group} {kind} {level}"] = _band(left[rows & (kinds == kind)])
    return found


def _band(left: Floats) -> tuple[float, float]:
    low, high = np.quantile(left, (0.1, 0.9))
    return float(low), float(high)


def fit_all(data: Measured) -> dict[str, np.ndarray]:
    """Everything that ``residual.npz`` holds."""
    slower = data.sign * (data.truth - data.physics)
    trust: dict[str, float] = {}
    spread: dict[str, tuple[float, float]] = {}
    for level, by in HELD_OUT.items():
        answers = held_out(data, by)
        scaled = np.zeros(len(answers))
        for group in np.unique(data.groups):
            trust[f"{group} {level}"] = trusted(data, group, answers)
            rows = data.groups == group
            scaled[rows] = answers[rows] * trust[f"{group} {level}"]
        spread |= spreads(data, level, data.truth - data.physics - data.sign * scaled)
    held = {
        "features": np.array(data.names),
        "trust names": np.array(list(trust)),
        "trust": np.array(list(trust.values())),
        "spread names": np.array(list(spread)),
        "spread": np.array(list(spread.values())),
        "pairs": np.array(sorted({(row["model"], row["gpu"]) for row in data.rows})),
        "lowest": data.features.min(axis=0).astype(np.float32) - 1e-3,
        "highest": data.features.max(axis=0).astype(np.float32) + 1e-3,
    }
    for group in np.unique(data.groups):
        rows = data.groups == group
        held |= _packed(str(group), fit(data.features[rows], slower[rows], RECIPE))
    return held


def _packed(group: str, forest: Forest) -> dict[str, np.ndarray]:
    return {
        f"{group} feature": forest.feature.astype(np.uint8),
        f"{group} threshold": forest.threshold.astype(np.float32),
        f"{group} leaf": forest.leaf.astype(np.float16),
    }


def main() -> None:
    """Read, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, default=TRUTH)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "cluster/latency/residual.npz")
    options = parser.parse_args()
    held = fit_all(measured(load(options.truth)))
    np.savez_compressed(options.out, **held)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle for a name here
    for name, value in zip(held["trust names"], held["trust"], strict=True):
        print(f"{name}: trust {value:.1f}")
    for name, value in zip(held["spread names"], held["spread"], strict=True):
        print(f"{name}: {np.exp(value[0]):.2f} to {np.exp(value[1]):.2f}")
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
