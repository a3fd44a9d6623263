"""Fits a sum of bumps: what configurations that are alike have in common beyond physics.

A Gaussian process with Laplace's kernel and heavy-tailed errors, reduced to so many centres (Rasmussen and Williams,
2006, chapters 4, 8 and 9.3): where much was measured it follows closely, far away it says nothing. Trees ask for
thresholds, this looks at distances. :class:`cluster.latency.residual.Likeness` evaluates what is fitted here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.latency.residual import Likeness

Floats = NDArray[np.float64]
_ROUNDS = 8
"""Of moving the centres."""
_REFITS = 4
"""With the rows that are far off weighing less each time."""
_TINY = 1e-6

KINDS = {
    "hardware": ("bandwidth", "flops", "fp4 rate", "memory", "link"),
    "model": ("layers", "hidden", "params", "active", "experts", "mla", "window", "kv"),
    "split": ("tp", "ep", "ranks", "copies"),
    "load": ("load", "running", "crowd", "busy", "wait"),
    "lengths": ("prompt", "output", "ratio", "prompts"),
    "software": (
        *("vllm", "sglang", "trtllm", "version", "year", "bits", "kv bytes"),
        *("bf16", "fp8", "fp8_block", "int4", "mxfp4", "fp4", "chunk"),
    ),
    "figure": (
        *("closed", "open", "burst", "static_batch", "offline_max", "fixed", "uniform", "dataset", "guessed"),
        *("quantile", "is tpot", "is itl", "is ttft", "is e2e", "is output_throughput", "is batch_latency"),
    ),
    "physics": (
        *("tpot", "ttft", "alone", "rush", "prefill", "throughput", "decode", "fixed share", "read share"),
        *("kv share", "compute share", "prompt tokens", "expert read", "dense read", "token", "fits"),
    ),
}
"""Features that share a weight."""


@dataclass(frozen=True, slots=True)
class Taste:
    """What counts as alike, and how much is believed of each row."""

    weights: Mapping[str, float]
    """By kind of feature: how far apart a standard deviation is."""
    noise: float = 0.03
    """Variance of a row's error, beside a variance of 1 of what is looked for."""
    clip: float = 0.1
    """A row that is further off than half of this weighs less."""
    centres: int = 1200


def fit(rows: Floats, target: Floats, names: Sequence[str], taste: Taste, seed: int = 7) -> Likeness:
    """Bumps that add up to ``target``; ``names`` are the features'."""
    scale = _scale(rows, names, taste)
    placed = rows * scale
    centres = _centres(placed, min(taste.centres, len(rows)), np.random.default_rng(seed))
    between = bumps(centres, centres) + _TINY * np.eye(len(centres))
    seen = bumps(placed, centres)
    weight = np.full(len(rows), 1 / taste.noise)
    for _ in range(_REFITS):
        weighed = seen * weight[:, None]
        height = np.linalg.solve(between + weighed.T @ seen, weighed.T @ target)
        weight = 1 / (taste.noise * np.maximum(1, 2 * np.abs(target - seen @ height) / taste.clip))
    return Likeness(scale, centres, height)


def bumps(rows: Floats, centres: Floats) -> Floats:
    """How alike rows and centres are, from 0 to 1; both scaled."""
    apart = np.zeros((len(rows), len(centres)))
    for column in np.flatnonzero(np.ptp(centres, axis=0)):
        apart += np.abs(rows[:, column, None] - centres[None, :, column])
    return np.asarray(np.exp(-apart))


def _scale(rows: Floats, names: Sequence[str], taste: Taste) -> Floats:
    """What every feature is multiplied by; nothing for those that are always the same."""
    weight = {name: taste.weights[kind] / len(members) for kind, members in KINDS.items() for name in members}
    spread = rows.std(axis=0)
    known = spread > _TINY
    return np.asarray(np.array([weight[name] for name in names]) * known / np.where(known, spread, 1.0))


def _centres(rows: Floats, count: int, random: np.random.Generator) -> Floats:
    """Means of rows that lie together (Lloyd's algorithm)."""
    centres = rows[random.choice(len(rows), count, replace=False)]
    for _ in range(_ROUNDS):
        nearest = ((centres**2).sum(axis=1) - 2 * rows @ centres.T).argmin(axis=1)
        members = np.bincount(nearest, minlength=count)
        total = np.zeros_like(centres)
        np.add.at(total, nearest, rows)
        centres = np.where(members[:, None] > 0, total / np.maximum(1, members)[:, None], centres)
    return np.asarray(centres)
