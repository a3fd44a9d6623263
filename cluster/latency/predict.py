"""A configuration → the figure that a benchmark would report, with its 80 % interval, or why there is no data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.errors import CatalogError
from cluster.latency.calibration import kept, key
from cluster.latency.configuration import Configuration, read
from cluster.latency.features import features, physics
from cluster.latency.residual import GROUPS, Residual, fitted

_BY_LEVEL = {
    "pair": "this model was measured on this GPU",
    "apart": "model and GPU were measured, not together: the correction is carried over",
    "new": "model or GPU was never measured: roofline with the engine's usual overheads",
}
_PER_UNIT = {"s": 1.0, "ms": 1e3, "us": 1e6}


@dataclass(frozen=True, slots=True)
class Prediction:
    """Seconds, or output tokens a second; in 80 of 100 cases what is measured lies between ``low`` and ``high``."""

    value: float
    low: float
    high: float
    reason: str
    """How well the configuration is supported by measurements."""


def predict(asked: Configuration, learned: Residual | None = None) -> Prediction:
    """Physics, corrected by a calibration if there is one, or by what was learned as far as that reaches."""
    learned = learned or fitted()
    group = GROUPS[asked.metric]
    level = learned.level(asked.replica.model.name, asked.replica.gpu.name)
    own = kept(key(asked.replica.model.name, asked.replica.gpu.name, asked.replica.gpus))
    seen = physics(asked, factors=own)
    named = features(asked, seen)
    slower = 0.0 if own else learned.correction(group, level, named)
    moved, below, above = learned.band(group, asked.kind, level, named)
    moved = 0.0 if own else moved
    value = seen.value * math.exp(moved + (-slower if asked.metric == "output_throughput" else slower))
    support = "calibrated on this fleet's own measurements" if own else _BY_LEVEL[level]
    tight = "" if seen.fits else "; its memory looks too small for it"
    return Prediction(value, value * math.exp(below), value * math.exp(above), support + tight)


def predict_row(row: Mapping[str, str]) -> dict[str, str]:
    """The row with ``predicted``, ``low``, ``high`` in its own unit, and ``reason``; figures are empty without data."""
    try:
        asked = read(row)
    except CatalogError as exc:
        return {**row, "predicted": "", "low": "", "high": "", "reason": f"no data for this: {exc}"}
    found = predict(asked)
    scale = 1.0 if asked.metric == "output_throughput" else _PER_UNIT[_unit(row, asked.metric)]
    figures = {"predicted": found.value, "low": found.low, "high": found.high}
    return {**row, **{name: f"{value * scale:.6g}" for name, value in figures.items()}, "reason": found.reason}


def _unit(row: Mapping[str, str], metric: str) -> str:
    """The row's own, or what is usual: milliseconds for latencies, seconds for a whole batch."""
    given = row.get("unit", "")
    return given if given in _PER_UNIT else "s" if metric == "batch_latency" else "ms"
