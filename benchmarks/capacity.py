"""How well ``freehold predict`` knows latency and throughput that others measured, beside a plain roofline.

``python benchmarks/capacity.py [--quick] [--json FILE] [--truth FILE]``. Everything is measured on rows that the fit
did not see: ``seen`` holds out whole curves (one configuration at all its loads), ``unseen`` whole pairs of model and
GPU. Errors are absolute and relative, in percent. Some sources have no licence file: they grade, and are not shipped.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final
from zlib import crc32

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np

from benchmarks.lab.capacity_data import TRUTH, Floats, Measured, load, measured
from benchmarks.lab.capacity_fit import HELD_OUT, RECIPES, doubts, held_out, spreads, trusted
from benchmarks.lab.capacity_score import chosen, errors, gpu_counts, summary
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.errors import UsageError
from cluster.latency.features import physics
from cluster.latency.overheads import Overheads

TARGETS: Final = (
    Target("throughput_seen_median", "<=", 8),
    Target("throughput_seen_p90", "<=", 25),
    Target("tpot_seen_median", "<=", 7),
    Target("tpot_seen_p90", "<=", 25),
    Target("tpot_unseen_median", "<=", 15),
    Target("tpot_unseen_p90", "<=", 40),
    Target("ttft_seen_median", "<=", 15),
    Target("ttft_seen_p90", "<=", 50),
    Target("ttft_unseen_median", "<=", 25),
    Target("ttft_unseen_p90", "<=", 65),
    Target("ttft_p95_median", "<=", 25),
    Target("ttft_p95_p90", "<=", 60),
    Target("tpot_p95_median", "<=", 12),
    Target("tpot_p95_p90", "<=", 35),
    Target("gpus_within_15", ">=", 65),
    Target("gpus_short_by_10", "<=", 10),
    Target("answered_share", ">=", 95),
    Target("interval_seen_coverage", ">=", 75),
    Target("interval_seen_coverage", "<=", 85),
    Target("interval_unseen_coverage", ">=", 75),
    Target("interval_unseen_coverage", "<=", 85),
)
SIZED_AT: Final = 0.08
"""Plans are sized a little above the middle of the prediction; logarithm of the factor on TPOT."""
PLAIN: Final = Overheads(1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""The roofline alone: the data sheet's bandwidth and arithmetic, and nothing else."""


def main() -> int:
    """Measure; 1 when a target is missed, 2 when there is nothing to measure against."""
    parser = argparse.ArgumentParser(description="Predicted against measured latency and throughput.")
    parser.add_argument("--quick", action="store_true", help="a fifth of the trees")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--truth", type=Path, metavar="FILE", default=_truth(), help="default: FREEHOLD_TRUTH")
    asked = parser.parse_args()
    try:
        data = measured(load(asked.truth))
    except UsageError as error:
        print(f"benchmarks/capacity.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(measure(data, quick=asked.quick), TARGETS, machine() | versions(["numpy"]), asked.json)


def measure(data: Measured, *, quick: bool) -> dict[str, float]:
    """All figures."""
    recipes = [replace(one, trees=one.trees // 5, rate=one.rate * 2) for one in RECIPES[:1]] if quick else RECIPES
    figures: dict[str, float] = {"rows": float(len(data.rows))}
    figures["answered_share"] = 100 * len(data.rows) / (len(data.rows) + data.unanswered)
    for level, name in (("pair", "seen"), ("apart", "unseen")):
        answers = held_out(data, HELD_OUT[level], recipes)
        predicted = data.physics + data.sign * _trust(data, answers) * answers
        bands = _bands(data, predicted, level)
        predicted = predicted + bands[:, 0]
        figures |= _table(data, predicted, name)
        figures[f"interval_{name}_coverage"] = _coverage(data.truth - predicted, bands)
        if level == "pair":
            figures |= gpu_counts(data, predicted + SIZED_AT)
    return figures | _roofline(data)


def _trust(data: Measured, answers: Floats) -> Floats:
    by = {group: trusted(data, group, answers) for group in np.unique(data.groups)}
    return np.array([by[group] for group in data.groups])


def _table(data: Measured, predicted: Floats, name: str) -> dict[str, float]:
    wrong = errors(predicted, data.truth)
    figures = summary(f"throughput_{name}", wrong[chosen(data, "output_throughput", ("total",))])
    for metric in ("tpot", "ttft"):
        figures |= summary(f"{metric}_{name}", wrong[chosen(data, metric, ("mean",))])
        if name == "seen":
            figures |= summary(f"{metric}_p95", wrong[chosen(data, metric, ("p95",), "mlperf")])
    return figures


def _bands(data: Measured, predicted: Floats, level: str) -> Floats:
    """For each row what is added, and the ends of its 80 % interval, learned from the other half of configurations."""
    half = np.array([crc32(row["config_id"].encode()) % 2 for row in data.rows], dtype=bool)
    bands = np.zeros((len(data.rows), 3))
    left = data.truth - predicted
    doubt = doubts(data, HELD_OUT[level], left)
    for here in (half, ~half):
        known = spreads(data, level, left, doubt, ~here)
        for place in np.flatnonzero(here):
            group, kind = data.groups[place], data.configurations[place].kind
            spread = known.get(f"{group} {kind} {level}") or known[f"{group} {level}"]
            bands[place] = spread.band(doubt[place])
    return bands


def _coverage(left: Floats, bands: Floats) -> float:
    """Share of rows inside their interval, in percent."""
    return 100 * float(((bands[:, 1] <= left) & (left <= bands[:, 2])).mean())


def _roofline(data: Measured) -> dict[str, float]:
    """The same table for a plain roofline."""
    alone = np.log([physics(asked, PLAIN).value for asked in data.configurations])
    figures = _table(data, alone, "roofline")
    return figures | {f"roofline_{name}": value for name, value in gpu_counts(data, alone).items()}


def _truth() -> Path:
    named = os.environ.get("FREEHOLD_TRUTH")
    return Path(named) if named else TRUTH


if __name__ == "__main__":
    sys.exit(main())
