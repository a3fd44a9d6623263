"""How well scores route: quality gained against the share of prompts sent to the strong model, with intervals.

Scores: higher sends to the strong model. Quality: of each model's answer, in [0, 1]. PGR (performance gap recovered) of
a routing: its quality above the weak model's, in units of the strong model's quality above the weak model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_DRAWS = 300


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure, its standard error, and its 95 % interval by bootstrap over prompts."""

    value: float
    error: float
    low: float
    high: float


def quality_curve(scores: Floats, weak: Floats, strong: Floats) -> Floats:
    """Mean quality with the k best-scored prompts sent to the strong model, k = 0..n; ties in a fixed random order."""
    shuffled = np.random.default_rng(0).permutation(len(scores))
    order = shuffled[np.argsort(-scores[shuffled], kind="stable")]
    gained = np.concatenate(([0.0], np.cumsum((strong - weak)[order])))
    return np.asarray(weak.mean() + gained / len(weak))


def routing_metrics(scores: Floats, weak: Floats, strong: Floats) -> dict[str, float]:
    """APGR (mean PGR over all shares), CPT50 and CPT80 (share that recovers so much), AIQ (mean quality), AUC.

    The AUC tells prompts on which the strong model is better from the others; NaN where there is only one kind.
    """
    quality = quality_curve(scores, weak, strong)
    share = np.arange(len(weak) + 1) / len(weak)
    gap = strong.mean() - weak.mean()
    pgr = (quality - weak.mean()) / gap if gap else np.full(len(share), np.nan)
    return {
        "apgr": float(np.trapezoid(pgr, share)),
        "cpt50": float(share[np.argmax(pgr >= 0.5)]),  # noqa: PLR2004 - its name says it
        "cpt80": float(share[np.argmax(pgr >= 0.8)]),  # noqa: PLR2004
        "aiq": float(np.trapezoid(quality, share)),
        "auc": auc(scores, strong > weak),
    }


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The chance that a positive scores higher than another; a tie counts half."""
    _, place, often = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(often) - (often - 1) / 2)[place]
    good, bad = int(positive.sum()), int((~positive).sum())
    if not good or not bad:
        return float("nan")
    return float((ranks[positive].sum() - good * (good + 1) / 2) / (good * bad))


def error_of_difference(one: Floats, other: Floats, weak: Floats, strong: Floats) -> float:
    """The standard error of the difference of two routers' APGR on the same labels, by a paired bootstrap."""
    rng, count = np.random.default_rng(1), len(weak)
    drawn = []
    for _ in range(_DRAWS):
        pick = rng.integers(0, count, count)
        own = weak[pick], strong[pick]
        if abs(own[1].mean() - own[0].mean()) > 1e-9:  # noqa: PLR2004 - no gap, nothing to recover
            drawn.append(routing_metrics(one[pick], *own)["apgr"] - routing_metrics(other[pick], *own)["apgr"])
    return float(np.std(drawn)) if drawn else float("nan")


def with_intervals(
    scores: Floats, weak: Floats, strong: Floats, draws: int = 300, seed: int = 1
) -> Mapping[str, Interval]:
    """The same, each with its bootstrap interval."""
    rng, count = np.random.default_rng(seed), len(weak)
    drawn = []
    for _ in range(draws):
        pick = rng.integers(0, count, count)
        if abs(strong[pick].mean() - weak[pick].mean()) > 1e-9:  # noqa: PLR2004 - no gap, nothing to recover
            drawn.append(list(routing_metrics(scores[pick], weak[pick], strong[pick]).values()))
    values = routing_metrics(scores, weak, strong)
    spread = np.array(drawn) if drawn else np.full((1, len(values)), np.nan)
    low, high = np.quantile(spread, [0.025, 0.975], axis=0)
    errors = spread.std(0)
    return {
        name: Interval(value, float(errors[at]), float(low[at]), float(high[at]))
        for at, (name, value) in enumerate(values.items())
    }
