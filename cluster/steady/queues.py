"""The queues behind a replica's steady state: waits, the batch that decoding requests share, and their spread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from cluster.demand.lengths import Floats

FULL: Final = 0.998
"""Highest share of a limit that is looked at; a queue at 1 never ends."""
TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Wait:
    """With a probability there is a wait, and then it is exponential. One value for each rate."""

    share: Floats
    mean_s: Floats
    """Of those who do wait."""

    def beyond(self, seconds: Floats) -> Floats:
        """By rate and request: the probability of waiting longer than ``seconds``."""
        beyond: Floats = np.exp(-np.maximum(0, seconds) / np.maximum(TINY, self.mean_s)[:, None])
        return self.share[:, None] * beyond


@dataclass(frozen=True, slots=True)
class Shared:
    """The stationary batch, one value for each rate."""

    mean: Floats
    variance: Floats
    """Of the seconds between tokens, as the batch moves."""
    full: Floats
    """Share of arrivals that find no place."""
    waiting: Floats
    """Sequences that wait for one, on average."""

    @classmethod
    def of(cls, tokens: Floats, seconds: Floats, slower: Floats) -> Self:
        """``tokens`` per second are asked for; a step of n sequences takes ``seconds[n - 1] * slower``."""
        sizes = np.arange(1, len(seconds) + 1)
        alone = np.log(seconds / sizes)
        pace = np.log(np.maximum(TINY, tokens * slower))
        beyond = np.minimum(FULL, np.exp(pace + alone[-1]))
        weights = pace[:, None] * sizes + np.cumsum(alone)
        highest = np.maximum(0, weights.max(axis=1))
        share = np.exp(weights - highest[:, None])
        waiting = share[:, -1] * beyond / (1 - beyond)
        total = np.exp(-highest) + share.sum(axis=1) + waiting
        share[:, -1] += waiting
        share /= total[:, None]
        busy = np.maximum(TINY, share.sum(axis=1))
        mean_s = share @ seconds / busy
        variance = np.maximum(0, share @ seconds**2 / busy - mean_s**2) * slower**2
        return cls(share @ sizes, variance, share[:, -1], waiting / total / (1 - beyond))


def behind(rates: Floats, served: Floats, step: Floats) -> Wait:
    """The wait behind other prompts, apart from half a decoding step that everybody waits for."""
    busy = np.minimum(FULL, rates * served.mean(axis=1))
    met = step / (1 - busy) + rates * (served**2).mean(axis=1) / (1 - busy**2)
    return Wait(busy, np.maximum(0, (0.5 + busy) * met - step / 2) / np.maximum(TINY, busy))


def lasting(output: Floats) -> Floats:
    """By request: how much of the batch's variance an answer keeps that averages over its own length.

    The batch forgets within a mean answer; this is the variance of a mean over a process with exponential memory.
    """
    length = np.maximum(1e-3, output / max(TINY, float(output.mean())))
    kept: Floats = 2 * (length - 1 + np.exp(-length)) / length**2
    return kept


def normal(distance: Floats) -> Floats:
    """The normal distribution function, to 2 parts in 10 000 (Page, *Applied Statistics* 26, 1977)."""
    bent = np.clip(distance, -9, 9)
    below: Floats = 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * (bent + 0.044715 * bent**3)))
    return below
