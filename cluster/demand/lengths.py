"""How long prompts and answers are: log-normal distributions here, the rows of a trace in :mod:`cluster.demand.trace`.

Both can be drawn at random (for a simulation) and evenly (for arithmetic that must not jump from seed to seed).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.spec import Lengths

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

_LONGEST = 100_000_000
"""Tokens of any prompt at most, as in the fleet file."""
_P95 = NormalDist().inv_cdf(0.95)
_GOLDEN = (0.7548776662466927, 0.5698402909980532)
"""Steps of the R2 sequence, 1/g and 1/g² for the root g of x³ = x + 1: the most even two-dimensional additive
recurrence known (M. Roberts, 2018)."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Lengths of some requests in tokens, one place each in every array."""

    prompt_tokens: Counts
    """The whole prompt, at least 1."""
    output_tokens: Counts
    """The answer, at least 1."""
    cached_tokens: Counts
    """Those of the prompt that the prefix cache holds, always less than the prompt."""

    def __len__(self) -> int:
        return len(self.prompt_tokens)


class Mix(Protocol):
    """A population of requests."""

    def draw(self, count: int, rng: np.random.Generator) -> Requests:
        """So many at random."""

    def even(self, count: int) -> Requests:
        """At most so many that stand for all, the same ones at every call."""


@dataclass(frozen=True, slots=True)
class LogNormals:
    """Independent log-normal prompts and answers; together at most ``context`` tokens, as an engine would insist on."""

    prompt: Lengths
    output: Lengths
    cached_share: float = 0
    context: int = _LONGEST

    def draw(self, count: int, rng: np.random.Generator) -> Requests:
        """So many at random."""
        return self._requests(rng.standard_normal(count), rng.standard_normal(count))

    def even(self, count: int) -> Requests:
        """A low-discrepancy sequence instead of chance."""
        steps = np.arange(count, dtype=np.float64) + 0.5
        return self._requests(*(_normal(steps * step % 1) for step in _GOLDEN))

    def _requests(self, prompts: Floats, outputs: Floats) -> Requests:
        output = np.clip(_at(self.output, outputs), 1, max(1, self.context // 2))
        prompt = np.clip(_at(self.prompt, prompts), 1, np.maximum(1, self.context - output))
        whole, cached = prompt.astype(np.int64), (prompt * self.cached_share).astype(np.int64)
        return Requests(whole, output.astype(np.int64), np.minimum(cached, whole - 1))


def _at(lengths: Lengths, normal: Floats) -> Floats:
    """Tokens at so many standard deviations of the logarithm; exact at the two percentiles that were given."""
    sigma = math.log(lengths.p95 / lengths.p50) / _P95
    logarithm: Floats = np.minimum(math.log(lengths.p50) + sigma * normal, math.log(_LONGEST))
    tokens: Floats = np.rint(np.exp(logarithm))
    return tokens


def _normal(shares: Floats) -> Floats:
    quantile = NormalDist().inv_cdf
    return np.array([quantile(min(max(float(share), 1e-9), 1 - 1e-9)) for share in shares])
