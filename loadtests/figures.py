"""Columns → flat figures: of a whole run or of a part of it, over the seconds that count.

Latencies are of the requests that were meant to be sent within those seconds, whenever they ended; throughput is what
ended within them, whenever it was sent. Both are honest at once only so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cluster.spec import Slo
from loadtests.columns import Columns, Words
from loadtests.intervals import Floats, percentile
from loadtests.stretches import held

Figures = dict[str, float | None]
"""Name → figure, seconds where it ends in ``_s``; None where nothing was there to measure."""
LATENCIES: Final = ("ttft", "tpot", "e2e")
SHARES: Final = (50, 90, 95, 99)


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds of a run that count."""

    since_s: float
    until_s: float
    name: str
    """``steady`` or ``all``."""

    @property
    def seconds(self) -> float:
        """How long it is; never 0."""
        return max(self.until_s - self.since_s, 1e-9)

    def begun(self, columns: Columns) -> Columns:
        """What was meant to be sent within it."""
        return columns.at((columns.intended_s >= self.since_s) & (columns.intended_s < self.until_s))


def figures(columns: Columns, window: Window, slo: Slo) -> Figures:
    """Of all samples of a run, or of one part of them."""
    begun = window.begun(columns)
    ended = columns.at(columns.complete & (columns.end_s >= window.since_s) & (columns.end_s <= window.until_s))
    judged = int((~begun.cancelled).sum())
    good = int(held(begun, slo).sum())
    found: Figures = {
        "requests": float(len(begun)),
        "complete": float(begun.complete.sum()),
        "failed": float(begun.failed.sum()),
        "cancelled": float(begun.cancelled.sum()),
        "requests_per_s": len(ended) / window.seconds,
        "prompt_tokens_per_s": float(ended.prompt_tokens.sum()) / window.seconds,
        "output_tokens_per_s": float(ended.output_tokens.sum()) / window.seconds,
        "prompt_tokens_mean": _mean(begun.prompt_tokens[begun.complete].astype(np.float64)),
        "output_tokens_mean": _mean(begun.output_tokens[begun.complete & begun.generates].astype(np.float64)),
        "concurrency_mean": overlap(columns, window.since_s, window.until_s) / window.seconds,
        "error_rate": int(begun.failed.sum()) / judged if judged else None,
        "goodput": good / judged if judged else None,
        "goodput_per_s": good / window.seconds,
    }
    for name, seconds in (("ttft", begun.ttft_s), ("tpot", begun.tpot_s), ("e2e", begun.e2e_s)):
        found |= dict(_latency(name, seconds[np.isfinite(seconds)]))
    return found


def parts(columns: Columns, words: Words, window: Window, slo: Slo) -> dict[str, Figures]:
    """The same for each value of one column; who was never told has no part."""
    return {name: figures(columns.at(words == name), window, slo) for name in sorted(set(words.tolist())) if name}


def overlap(columns: Columns, since_s: float, until_s: float) -> float:
    """Seconds within a stretch that requests were under way, all together."""
    inside = np.minimum(columns.end_s, until_s) - np.maximum(columns.sent_s, since_s)
    return float(np.maximum(inside, 0).sum())


def _latency(name: str, seconds: Floats) -> Iterator[tuple[str, float | None]]:
    yield f"{name}_mean_s", _mean(seconds)
    for share in SHARES:
        yield f"{name}_p{share}_s", percentile(seconds, share / 100) if len(seconds) else None


def _mean(values: Floats) -> float | None:
    return float(values.mean()) if len(values) else None
