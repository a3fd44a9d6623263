"""Fits the learned residual of :mod:`cluster.latency` to measurements: ``python benchmarks/lab/capacity_fit.py``.

Deterministic. Three times the measurements are held out (whole curves, whole pairs of model and GPU, whole models) to
see how far the trees can be trusted and how wide the intervals must be; then all of them are fitted.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab import likeness
from benchmarks.lab.boosting import Recipe, fit
from benchmarks.lab.capacity_data import FOLDS, TRUTH, Floats, Measured, folds, load, measured
from benchmarks.lab.likeness import KINDS, Taste
from cluster.latency.residual import LEVELS, Forest, Spread, mixed

RECIPES = (Recipe(), Recipe(seed=11, features=0.25, rows=0.6), Recipe(seed=12, features=0.25, rows=0.6))
"""The mean of all of these answers."""
DOUBT = Recipe(trees=150, depth=5, clip=1.0, shrink=10.0)
DOUBTS = (0.02, 1.0)
"""Errors below and above count as these."""
TASTES = {
    group: Taste(dict(zip(KINDS, weights, strict=True)), noise, clip, 1500)
    for group, weights, noise, clip in (
        ("tpot", (0.51, 0.35, 0.37, 0.26, 0.6, 1.05, 1.25, 0.35), 0.05, 0.74),
        ("ttft", (0.25, 0.38, 0.15, 0.12, 0.56, 2.72, 1.25, 0.15), 0.011, 1.8),
        ("e2e", (0.4, 0.35, 0.2, 0.2, 0.5, 1.0, 1.0, 0.35), 0.04, 0.35),
        ("throughput", (0.18, 0.3, 0.03, 0.18, 0.005, 0.12, 2.0, 0.385), 0.036, 0.029),
    )
}
"""By group of metrics; found by a random search over the errors on held-out curves and pairs."""
HELD_OUT = dict(zip(LEVELS, ("curve", "pair", "model"), strict=True))
TRUSTS = np.linspace(0, 1, 11)
SHIFTS, LEANS = np.linspace(-0.2, 0.1, 31), np.linspace(0, 1.6, 17)
TAIL = 0.5
"""What the 90th percentile of errors counts beside their mean where predictions are moved."""
ENOUGH = 40
"""Rows of a kind of load that make an interval of their own."""


def held_out(data: Measured, by: str, recipes: Sequence[Recipe] = RECIPES) -> Floats:
    """What is learned of each row without its curve, pair or model; logarithms of slower."""
    groups, fold = data.groups, folds(data.keys(by))
    answers = np.zeros(len(data.rows))
    slower = data.sign * (data.truth - data.physics)
    for group in np.unique(groups):
        for number in range(FOLDS):
            train = np.flatnonzero((groups == group) & (fold != number))
            test = np.flatnonzero((groups == group) & (fold == number))
            trees = together(data.features[train], slower[train], recipes)(data.features[test])
            alike = likeness.fit(data.features[train], slower[train], data.names, TASTES[group])(data.features[test])
            answers[test] = mixed(trees, alike)
    return answers


def trusted(data: Measured, group: str, answers: Floats) -> float:
    """The factor for the answers that leaves the least error; errors beyond a factor of 2 count as that."""
    rows = data.groups == group
    slower = data.sign * (data.truth - data.physics)
    left = [np.minimum(np.abs(slower - trust * answers)[rows], np.log(2)).mean() for trust in TRUSTS]
    return float(TRUSTS[int(np.argmin(left))])


def together(rows: Floats, target: Floats, recipes: Sequence[Recipe]) -> Forest:
    """The mean of several fits as one forest."""
    forests = [fit(rows, target, recipe) for recipe in recipes]
    return Forest(
        np.concatenate([forest.feature for forest in forests]),
        np.concatenate([forest.threshold for forest in forests]),
        np.concatenate([forest.leaf for forest in forests]) / len(forests),
    )


def doubting(rows: Floats, left: Floats) -> Forest:
    """How wrong predictions for such rows are, as a logarithm; ``left`` are logarithms of measured over predicted."""
    return fit(rows, np.log(np.clip(np.abs(left), *DOUBTS)), DOUBT)


def doubts(data: Measured, by: str, left: Floats) -> Floats:
    """Of each row by the errors of the others."""
    groups, fold = data.groups, folds(data.keys(by))
    found = np.zeros(len(left))
    for group in np.unique(groups):
        for number in range(FOLDS):
            train, test = ((groups == group) & ((fold == number) == here) for here in (False, True))
            found[test] = np.exp(doubting(data.features[train], left[train])(data.features[test]))
    return found


def spreads(
    data: Measured, level: str, left: Floats, doubt: Floats, among: NDArray[np.bool_] | None = None
) -> dict[str, Spread]:
    """By group, and by kind of load where there is enough for a band of its own: how to move predictions, and bands.

    The band is the 10th and 90th percentile of the logarithm of measured over predicted, in units of the doubt.
    """
    among = np.ones(len(left), dtype=bool) if among is None else among
    kinds = np.array([asked.kind for asked in data.configurations])
    found = {}
    for group in np.unique(data.groups):
        rows = (data.groups == group) & among
        shift, lean = _moved(left[rows], doubt[rows])
        beyond = (left - shift + lean * doubt) / doubt
        found[f"{group} {level}"] = Spread(shift, lean, *_band(beyond[rows]))
        for kind in np.unique(kinds[rows]):
            if (rows & (kinds == kind)).sum() >= ENOUGH:
                found[f"{group} {kind} {level}"] = Spread(shift, lean, *_band(beyond[rows & (kinds == kind)]))
    return found


def _moved(left: Floats, doubt: Floats) -> tuple[float, float]:
    """Shift and lean that leave the least relative errors."""

    def error(shift: float, lean: float) -> float:
        wrong = np.abs(np.exp(shift - lean * doubt - left) - 1)
        return float(np.minimum(wrong, 1).mean() + TAIL * np.quantile(wrong, 0.9))

    return min(((float(shift), float(lean)) for shift in SHIFTS for lean in LEANS), key=lambda pair: error(*pair))


def _band(beyond: Floats) -> tuple[float, float]:
    low, high = np.quantile(beyond, (0.1, 0.9))
    return float(low), float(high)


def fit_all(data: Measured) -> dict[str, np.ndarray]:
    """Everything that ``residual.npz`` holds."""
    slower = data.sign * (data.truth - data.physics)
    trust: dict[str, float] = {}
    spread: dict[str, Spread] = {}
    held: dict[str, np.ndarray] = {}
    for level, by in HELD_OUT.items():
        answers = held_out(data, by)
        scaled = np.zeros(len(answers))
        for group in np.unique(data.groups):
            trust[f"{group} {level}"] = trusted(data, group, answers)
            rows = data.groups == group
            scaled[rows] = answers[rows] * trust[f"{group} {level}"]
        left = data.truth - data.physics - data.sign * scaled
        spread |= spreads(data, level, left, doubts(data, by, left))
        for group in np.unique(data.groups):
            rows = data.groups == group
            held |= _packed(f"{group} {level}", doubting(data.features[rows], left[rows]))
    held |= {
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
        alike = likeness.fit(data.features[rows], slower[rows], data.names, TASTES[str(group)])
        held |= _packed(str(group), together(data.features[rows], slower[rows], RECIPES))
        held |= {
            f"{group} scale": alike.scale.astype(np.float32),
            f"{group} centre": alike.centre.astype(np.float16),
            f"{group} height": alike.height.astype(np.float32),
        }
    return held


def _packed(name: str, forest: Forest) -> dict[str, np.ndarray]:
    return {
        f"{name} feature": forest.feature.astype(np.uint8),
        f"{name} threshold": forest.threshold.astype(np.float32),
        f"{name} leaf": forest.leaf.astype(np.float16),
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
    for name, four in zip(held["spread names"], held["spread"], strict=True):
        spread = Spread(*four)
        moved = f"{spread.shift:+.2f} {-spread.lean:+.2f} doubts"
        print(f"{name}: moved {moved}, {spread.low:+.2f} to {spread.high:+.2f} doubts")
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
