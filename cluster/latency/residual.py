"""What was learned beyond physics: trees and bumps over :mod:`.features`, how far to trust them, how wrong they were.

``residual.npz`` is written by ``benchmarks/lab/capacity_fit.py``. It holds splits, leaves, centres, which pairs of
model and GPU were seen, the range of every feature, and quantiles of errors on what was held out; no measured row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GROUPS = {
    "tpot": "tpot",
    "itl": "tpot",
    "ttft": "ttft",
    "e2e": "e2e",
    "output_throughput": "throughput",
    "batch_latency": "throughput",
}
"""Which trees answer for a metric."""
_NEAR = ("load", "running", "prompt", "output", "params", "active", "bandwidth", "flops", "memory", "tp")
"""Features, logarithms all, in which a distance from what was measured counts."""
LEVELS = ("pair", "apart", "new")
"""How well a configuration is known: model and GPU were measured together, each with others, or one of them never."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Oblivious trees: level ``k`` of a tree asks one question, whose answer is bit ``k`` of the leaf's number."""

    feature: NDArray[np.int64]
    threshold: Floats
    leaf: Floats

    def __call__(self, rows: Floats) -> Floats:
        """The sum over all trees, a number per row."""
        bits = rows[:, self.feature] > self.threshold
        index = (bits << np.arange(self.feature.shape[1])).sum(axis=2)
        return np.asarray(self.leaf[np.arange(len(self.leaf)), index].sum(axis=1))


@dataclass(frozen=True, slots=True)
class Likeness:
    """A sum of bumps, ``height · exp(-distance)``; distances are sums over all scaled features."""

    scale: Floats
    """By feature."""
    centre: Floats
    """Scaled already; a row per bump."""
    height: Floats

    def __call__(self, rows: Floats) -> Floats:
        """The sum over all bumps, a number per row."""
        return np.array([np.exp(-np.abs(row * self.scale - self.centre).sum(axis=1)) @ self.height for row in rows])


@dataclass(frozen=True, slots=True)
class Residual:
    """Everything that the fitted file holds."""

    names: tuple[str, ...]
    """Of the features, in order."""
    forests: Mapping[str, Forest]
    likenesses: Mapping[str, Likeness]
    trust: Mapping[str, float]
    """By ``group level``: what the mean of both answers is multiplied by."""
    shift: Mapping[str, float]
    """By ``group kind level`` and ``group level``: added to the logarithm, so that relative errors are least."""
    spread: Mapping[str, tuple[float, float]]
    """By ``group kind level`` and ``group level``: 10th and 90th percentile of log(measured / predicted)."""
    pairs: frozenset[tuple[str, str]]
    lowest: Floats
    highest: Floats

    def level(self, model: str, gpu: str) -> str:
        """One of ``LEVELS``."""
        if (model, gpu) in self.pairs:
            return "pair"
        models, gpus = {pair[0] for pair in self.pairs}, {pair[1] for pair in self.pairs}
        return "apart" if model in models and gpu in gpus else "new"

    def correction(self, group: str, level: str, seen: Mapping[str, float]) -> float:
        """The logarithm of how much slower than physics; goes to 0 with the distance from what was measured."""
        row = np.array([seen[name] for name in self.names])
        places = [self.names.index(name) for name in _NEAR]
        beyond = np.maximum(self.lowest - row, row - self.highest)[places]
        outside = float(np.maximum(0, beyond).sum())
        answer = (self.forests[group](row[None, :])[0] + self.likenesses[group](row[None, :])[0]) / 2
        return float(answer * self.trust[f"{group} {level}"] * np.exp(-outside))

    def centred(self, group: str, kind: str, level: str) -> float:
        """What the logarithm of a prediction is moved by: half of a figure and twice of it are not equally wrong."""
        return self.shift.get(f"{group} {kind} {level}", self.shift[f"{group} {level}"])

    def interval(self, group: str, kind: str, level: str) -> tuple[float, float]:
        """The 80 % interval around a prediction, as logarithms."""
        return self.spread.get(f"{group} {kind} {level}") or self.spread[f"{group} {level}"]


@cache
def fitted() -> Residual:
    """The fit that this version ships."""
    with files("cluster.latency").joinpath("residual.npz").open("rb") as file, np.load(file) as held:
        groups = sorted({name.split()[0] for name in held["trust names"]})
        forests = {
            group: Forest(
                held[f"{group} feature"].astype(np.int64),
                held[f"{group} threshold"].astype(np.float64),
                held[f"{group} leaf"].astype(np.float64),
            )
            for group in groups
        }
        likenesses = {
            group: Likeness(*(held[f"{group} {part}"].astype(np.float64) for part in ("scale", "centre", "height")))
            for group in groups
        }
        return Residual(
            names=tuple(held["features"].tolist()),
            forests=forests,
            likenesses=likenesses,
            shift=dict(zip(held["spread names"].tolist(), held["shift"].tolist(), strict=True)),
            trust=dict(zip(held["trust names"].tolist(), held["trust"].tolist(), strict=True)),
            spread=dict(zip(held["spread names"].tolist(), map(tuple, held["spread"].tolist()), strict=True)),
            pairs=frozenset(map(tuple, held["pairs"].tolist())),
            lowest=held["lowest"].astype(np.float64),
            highest=held["highest"].astype(np.float64),
        )
