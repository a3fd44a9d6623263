"""What one replica takes at the promised latencies, as replica-seconds a token: the unit in which load adds up.

How much a replica takes depends on the mix: long prompts with short answers break other promises than a chat does. So
the highest rate is asked of :mod:`cluster.steady` for blends of the expected requests, from those that lean most to
prompts to those that lean most to answers; what comes in later is placed among the blends by its tokens.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.demand import Requests
from cluster.errors import UsageError
from cluster.latency.timing import EngineTiming
from cluster.spec import Slo
from cluster.steady import Work, capacity

_BLENDS: Final = (1.0, 0.85, 0.65, 0.5, 0.35, 0.15, 0.0)
"""Share of the half that leans to prompts."""
_LEAST: Final = 4
"""Requests that a blend needs."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """One replica at the edge of its promises."""

    lean: tuple[float, ...]
    """Output tokens per prompt token of each blend, ascending; prompt tokens that are cached do not count."""
    prompt_token_s: tuple[float, ...]
    """Replica-seconds of one prompt token of each blend, the answers' part included."""
    request_s: float
    """Replica-seconds of an expected request."""
    mean_prompt: float
    mean_output: float

    def load(self, prompt_tokens: float, lean: float) -> float:
        """Replica-seconds of so many prompt tokens whose answers have ``lean`` times as many."""
        above = bisect(self.lean, lean)
        if above in {0, len(self.lean)}:
            return prompt_tokens * self.prompt_token_s[min(above, len(self.lean) - 1)]
        low, high = self.lean[above - 1], self.lean[above]
        part = (lean - low) / (high - low)
        return prompt_tokens * ((1 - part) * self.prompt_token_s[above - 1] + part * self.prompt_token_s[above])


def capacity_of(timing: EngineTiming, requests: Requests, slo: Slo) -> Capacity:
    """Of a replica for a population of requests; raises UsageError where not even one at a time holds the promises."""
    whole = _rate(timing, requests, slo)
    if not whole:
        found = capacity(Work.of(timing, requests), slo)
        msg = (
            f"slo.{found.broken}: no load is light enough for this promise on one replica; raise it, or use faster GPUs"
        )
        raise UsageError(msg)
    points = [_point(requests, whole)]
    for blend in _blends(requests):
        rate = _rate(timing, blend, slo)
        if rate:
            points.append(_point(blend, rate))
    by_lean = dict(sorted(points))
    prompt, output = _means(requests)
    return Capacity(tuple(by_lean), tuple(by_lean.values()), 1 / whole, prompt, output)


def _rate(timing: EngineTiming, requests: Requests, slo: Slo) -> float:
    return capacity(Work.of(timing, requests), slo).rate


def _means(requests: Requests) -> tuple[float, float]:
    new = requests.prompt_tokens - requests.cached_tokens
    return float(new.mean()), float(requests.output_tokens.mean())


def _point(requests: Requests, rate: float) -> tuple[float, float]:
    prompt, output = _means(requests)
    return output / prompt, 1 / (rate * prompt)


def _blends(requests: Requests) -> list[Requests]:
    new = requests.prompt_tokens - requests.cached_tokens
    order = np.argsort(requests.output_tokens / new, kind="stable")
    half = len(order) // 2
    if half < _LEAST:
        return []
    blends = []
    for share in _BLENDS:
        some, others = _evenly(order[:half], share), _evenly(order[half:], 1 - share)
        at = np.concatenate([some, others])
        blends.append(Requests(requests.prompt_tokens[at], requests.output_tokens[at], requests.cached_tokens[at]))
    return blends


def _evenly(
    places: np.ndarray[tuple[int], np.dtype[np.int64]], share: float
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return places[np.linspace(0, len(places) - 1, round(share * len(places))).astype(np.int64)]
