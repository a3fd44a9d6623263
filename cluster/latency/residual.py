"""What was learned beyond physics: trees and bumps over :mod:`.features`, how far to trust them, how wrong they are.

``residual.npz`` is written by ``benchmarks/lab/capacity_fit.py``. It holds splits, leaves, centres, which pairs of
model and GPU were seen, the range of every feature, and what errors on held-out rows were like; no measured row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import NamedTuple

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
_ALIKE = 0.65
"""What bumps count beside trees; on held-out rows, everything from a half to four fifths is as good."""
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


def mixed(trees: Floats, alike: Floats) -> Floats:
    """The answer of both."""
    return (1 - _ALIKE) * trees + _ALIKE * alike


class Spread(NamedTuple):
    """What to make of a doubt; all are factors on it but the first. Logarithms of measured over predicted."""

    shift: float
    """Added to every prediction."""
    lean: float
    """Taken from it: half of a figure and twice of it are not equally wrong, the less so the wider errors are."""
    low: float
    """10th percentile of what is left then."""
    high: float
    """90th."""

    def band(self, doubt: float) -> Band:
        """For one prediction."""
        return Band(self.shift - self.lean * doubt, self.low * doubt, self.high * doubt)


class Band(NamedTuple):
    """What a prediction is moved by, and the ends of its 80 % interval from there on, as logarithms."""

    moved: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Residual:
    """Everything that the fitted file holds."""

    names: tuple[str, ...]
    """Of the features, in order."""
    forests: Mapping[str, Forest]
    likenesses: Mapping[str, Likeness]
    trust: Mapping[str, float]
    """By ``group level``: what the answer of both is multiplied by."""
    doubts: Mapping[str, Forest]
    """By ``group level``: the logarithm of how wrong predictions like this one were, as a logarithm."""
    spread: Mapping[str, Spread]
    """By ``group kind level`` and ``group level``."""
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
        answer = mixed(self.forests[group](row[None, :]), self.likenesses[group](row[None, :]))[0]
        return float(answer * self.trust[f"{group} {level}"] * np.exp(-outside))

    def band(self, group: str, kind: str, level: str, seen: Mapping[str, float]) -> Band:
        """How far to move a prediction, and how wide its interval is."""
        row = np.array([[seen[name] for name in self.names]])
        doubt = float(np.exp(self.doubts[f"{group} {level}"](row)[0]))
        return (self.spread.get(f"{group} {kind} {level}") or self.spread[f"{group} {level}"]).band(doubt)


@cache
def fitted() -> Residual:
    """The fit that this version ships."""
    with files("cluster.latency").joinpath("residual.npz").open("rb") as file, np.load(file) as held:
        groups = sorted({name.split()[0] for name in held["trust names"]})
        doubts = held["trust names"].tolist()
        trees = {
            name: Forest(
                held[f"{name} feature"].astype(np.int64),
                held[f"{name} threshold"].astype(np.float64),
                held[f"{name} leaf"].astype(np.float64),
            )
            for name in [*groups, *doubts]
        }
        likenesses = {
            group: Likeness(*(held[f"{group} {part}"].astype(np.float64) for part in ("scale", "centre", "height")))
            for group in groups
        }
        return Residual(
            names=tuple(held["features"].tolist()),
            forests={group: trees[group] for group in groups},
            likenesses=likenesses,
            doubts={name: trees[name] for name in doubts},
            trust=dict(zip(held["trust names"].tolist(), held["trust"].tolist(), strict=True)),
            spread={
                name: Spread(*four)
                for name, four in zip(held["spread names"].tolist(), held["spread"].tolist(), strict=True)
            },
            pairs=frozenset(map(tuple, held["pairs"].tolist())),
            lowest=held["lowest"].astype(np.float64),
            highest=held["highest"].astype(np.float64),
        )
