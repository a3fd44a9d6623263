"""Fits the fixed costs in :mod:`cluster.latency.overheads`: ``python benchmarks/lab/capacity_overheads.py``.

One engine and era after the other, one figure after the other in ever smaller steps, while the mean error falls. What
it prints is rounded and written into that module by hand. Costs of steps and of layers stand in for each other, so that
another selection of rows splits them otherwise. ``request_s`` and what begins with ``start`` are not fitted here,
because means of TTFT carry the rush of load generators; ``run`` is, where it is finite already.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.lab.capacity_data import TRUTH, load, measured
from cluster.latency.configuration import Configuration
from cluster.latency.features import physics
from cluster.latency.overheads import OVERHEADS, Overheads, era

PARTS = ("bandwidth_share", "flops_share", "step_s", "layer_s", "sum_s", "seq_s", "experts_s", "run")
METRICS = ("tpot", "output_throughput", "batch_latency")
_STEPS = (1.6, 1.26, 1.12, 1.06)
_ROUNDS = 12
_ROWS = 500
_EXPERTS_S = 20e-6
"""Where the search begins."""
_FEWEST_TOKENS = 10
"""Shorter answers tell little of a step."""

Rows = Sequence[tuple[Configuration, float]]


def wrong(using: Overheads, rows: Rows) -> float:
    """The mean error as a logarithm; what is off by more than e counts a third of what is beyond."""
    off = [abs(math.log(physics(asked, using).value) - truth) for asked, truth in rows]
    return float(np.mean([error if error < 1 else 1 + (error - 1) / 3 for error in off]))


def fit(rows: Rows, run: float = math.inf) -> Overheads:
    """The fixed costs with the least error; the search for requests of a run begins at ``run``."""
    using = Overheads(experts_s=_EXPERTS_S, run=run)
    best = wrong(using, rows)
    for step in _STEPS:
        for _ in range(_ROUNDS):
            before = best
            for part in PARTS:
                for by in (step, 1 / step):
                    most = 0.95 if part.endswith("_share") else math.inf
                    tried = replace(using, **{part: min(most, getattr(using, part) * by)})
                    error = wrong(tried, rows)
                    if error < best:
                        best, using = error, tried
            if best == before:
                break
    return using


def main() -> None:
    """Fit each engine and era, and print what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, default=TRUTH)
    data = measured(load(parser.parse_args().truth))
    by: dict[str, list[tuple[Configuration, float]]] = defaultdict(list)
    for asked, truth in zip(data.configurations, data.truth, strict=True):
        usual = asked.metric in METRICS and asked.stat in {"mean", "total"} and asked.lengths.output >= _FEWEST_TOKENS
        if usual:
            by[era(asked.replica.engine, asked.year, served=asked.served)].append((asked, float(truth)))
    for name, rows in sorted(by.items()):
        chosen = np.random.default_rng(0).choice(len(rows), min(_ROWS, len(rows)), replace=False)
        found = fit([rows[place] for place in chosen], OVERHEADS[name].run)
        print(name, {part: float(f"{getattr(found, part):.2g}") for part in PARTS}, flush=True)


if __name__ == "__main__":
    main()
