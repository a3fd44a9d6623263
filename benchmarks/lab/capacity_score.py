"""Errors of predictions against measurements: medians, tails, coverage, and GPUs counted for a promise."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.capacity_data import Floats, Measured

_FEWEST_LOADS = 3
_PROMISES = (0.015, 0.02, 0.03, 0.05, 0.1)
"""Seconds per output token."""
_BETWEEN = (0.25, 0.5, 0.75)
"""Where between the lowest and the highest measured TPOT of a curve a promise is tried, on a logarithmic scale."""
CLOSE, SHORT = 0.15, 0.10


def errors(predicted: Floats, truth: Floats) -> Floats:
    """Absolute relative errors of logarithms."""
    return np.asarray(np.abs(np.exp(predicted - truth) - 1))


def summary(name: str, wrong: Floats) -> dict[str, float]:
    """Median and 90th percentile in percent."""
    if not len(wrong):
        return {}
    return {f"{name}_median": 100 * float(np.median(wrong)), f"{name}_p90": 100 * float(np.quantile(wrong, 0.9))}


def chosen(data: Measured, metric: str, stats: Sequence[str], source: str = "") -> NDArray[np.bool_]:
    """The rows of one metric, of these statistics, from sources that contain ``source``."""
    return np.array(
        [row["metric"] == metric and row["stat"] in stats and source in row["source"] for row in data.rows], dtype=bool
    )


def gpu_counts(data: Measured, predicted: Floats) -> dict[str, float]:
    """How often the GPUs for a TPOT promise are counted within 15 %, and more than 10 % too few, in percent.

    A curve is one configuration at several loads; the number of GPUs is a traffic over the load that holds the promise.
    ``gpus`` takes the highest of the measured loads that does, for promises in round figures; ``gpus_between`` the load
    in between at which TPOT would reach a promise, by interpolation, which is harder.
    """
    curves = _curves(data, predicted)
    return {
        **_shares("gpus", [ratio for curve in curves for ratio in _at_loads(*curve)]),
        **_shares("gpus_between", [ratio for curve in curves for ratio in _between_loads(*curve)]),
    }


def _shares(name: str, ratios: list[float]) -> dict[str, float]:
    found = np.array(ratios)
    close, short = np.abs(found - 1) <= CLOSE, found < 1 - SHORT
    return {f"{name}_within_15": 100 * float(close.mean()), f"{name}_short_by_10": 100 * float(short.mean())}


def _curves(data: Measured, predicted: Floats) -> list[tuple[Floats, Floats, Floats]]:
    by: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in np.flatnonzero(chosen(data, "tpot", ("mean",))):
        row = data.rows[place]
        if row["load_kind"] == "closed":
            columns = ("config_id", "date", "engine_version", "isl", "osl", "tp", "dp", "ep", "n_gpus", "quant")
            by[tuple(row.get(column, "") for column in columns)].append(int(place))
    curves = []
    for places in by.values():
        loads = np.log([float(data.rows[place]["load_value"]) for place in places])
        distinct, first = np.unique(loads, return_index=True)
        if len(distinct) >= _FEWEST_LOADS:
            at = np.array(places)[first]
            curves.append((distinct, data.truth[at], predicted[at]))
    return curves


def _at_loads(loads: Floats, truth: Floats, predicted: Floats) -> list[float]:
    """GPUs by prediction over GPUs by measurement, at each promise that some of the measured loads hold, not all."""
    ratios = []
    for promise in np.log(_PROMISES):
        holds = np.maximum.accumulate(truth) <= promise
        seems = np.maximum.accumulate(predicted) <= promise
        if holds.any() and not holds.all():
            ratios.append(math.exp(loads[holds][-1] - loads[seems][-1]) if seems.any() else math.inf)
    return ratios


def _between_loads(loads: Floats, truth: Floats, predicted: Floats) -> list[float]:
    """The same, with loads in between."""
    truth, predicted = np.maximum.accumulate(truth), np.maximum.accumulate(predicted)
    if truth[-1] - truth[0] < math.log(1.1):
        return []  # the measured loads do not tell where a promise would break
    promises = truth[0] + np.array(_BETWEEN) * (truth[-1] - truth[0])
    return [math.exp(_load_at(promise, loads, truth) - _load_at(promise, loads, predicted)) for promise in promises]


def _load_at(promise: float, loads: Floats, curve: Floats) -> float:
    """The load at which a curve reaches a promise; beyond its ends, along the slope of its last part."""
    rising = curve + 1e-9 * np.arange(len(curve))
    if promise < rising[0]:
        slope = max(0.05, (rising[1] - rising[0]) / (loads[1] - loads[0]))
        return float(loads[0] + (promise - rising[0]) / slope)
    if promise > rising[-1]:
        slope = max(0.05, (rising[-1] - rising[-2]) / (loads[-1] - loads[-2]))
        return float(loads[-1] + (promise - rising[-1]) / slope)
    return float(np.interp(promise, rising, loads))
