"""Measured serving performance: where it lies, how it is read, and how it is held out."""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cluster.errors import CatalogError, UsageError
from cluster.latency.configuration import Configuration, read
from cluster.latency.features import features, physics
from cluster.latency.residual import GROUPS

TRUTH = Path(__file__).parents[3] / "shared/data/capacity/truth_dev.csv.gz"
SECONDS = {"ms": 1e-3, "s": 1.0, "tok/s": 1.0}
FOLDS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, row by row, beside what physics says; all figures as logarithms of SI units."""

    rows: list[dict[str, str]]
    configurations: list[Configuration]
    features: Floats
    names: tuple[str, ...]
    physics: Floats
    truth: Floats
    unanswered: int
    """Rows that no configuration could be read from."""

    @property
    def groups(self) -> NDArray[np.str_]:
        """Which trees answer for each row."""
        return np.array([GROUPS[asked.metric] for asked in self.configurations])

    @property
    def sign(self) -> Floats:
        """-1 where a slower engine means a smaller figure."""
        return np.array([-1.0 if asked.metric == "output_throughput" else 1.0 for asked in self.configurations])

    def keys(self, by: str) -> list[str]:
        """What is held out together: whole ``curve``s, whole ``pair``s of model and GPU, or a ``model`` everywhere."""
        if by == "curve":
            return [row["config_id"] for row in self.rows]
        return [row["model"] + (row["gpu"] if by == "pair" else "") for row in self.rows]


def load(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file, gzipped or not; raises :class:`~cluster.errors.UsageError` if it is not there."""
    if not path.exists():
        msg = f"no measurements at {path}: name a file with --truth"
        raise UsageError(msg)
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.DictReader(text.splitlines()))


def measured(rows: Iterable[dict[str, str]]) -> Measured:
    """Read every row that can be read, and work out its physics and features."""
    kept, asked, seen, vectors = [], [], [], []
    unanswered = 0
    names: tuple[str, ...] = ()
    for row in rows:
        try:
            one = read(row)
        except CatalogError:
            unanswered += 1
            continue
        found = physics(one)
        named = features(one, found)
        names = tuple(named)
        kept.append(row)
        asked.append(one)
        seen.append(math.log(found.value))
        vectors.append(list(named.values()))
    truth = np.log([max(float(row["value"]) * SECONDS[row["unit"]], 1e-6) for row in kept])
    return Measured(kept, asked, np.array(vectors), names, np.array(seen), truth, unanswered)


def folds(keys: Sequence[str], seed: int = 1) -> NDArray[np.int64]:
    """The fold of each row; rows with the same key are in the same one."""
    distinct = sorted(set(keys))
    np.random.default_rng(seed).shuffle(distinct)
    at = {key: place % FOLDS for place, key in enumerate(distinct)}
    return np.array([at[key] for key in keys])
