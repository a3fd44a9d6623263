"""The requests of a simulation, a column each: what arrives, and what became of it.

Plain lists, because the engines touch single entries millions of times, where numpy is slower than Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEVER = float("inf")
Column = NDArray[np.float64]


class Fate(IntEnum):
    """How a request ended."""

    WAITING = 0
    """It had not ended when the simulation did."""
    ANSWERED = 1
    SPILLED = 2
    """A paid model outside of the fleet answers it."""
    REFUSED = 3
    """No replica could ever hold it, or every queue was full and nothing stands in."""
    BROKEN = 4
    """Its replica died after the first token, when nothing may be tried again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request must hold to be in time; :data:`NEVER` where nothing is promised."""

    ttft_s: float = NEVER
    tpot_s: float = NEVER
    e2e_s: float = NEVER


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests by arrival; entry ``i`` of every column belongs to request ``i``."""

    arrival: list[float]
    """Seconds since the beginning, ascending."""
    prompt: list[int]
    """Prompt tokens; what a preempted request must compute again is added."""
    output: list[int]
    """Tokens of the answer, at least 1."""
    cached: list[int]
    """Prompt tokens that the prefix cache holds; fewer than ``prompt``."""
    left: list[int]
    """Output tokens still to come."""
    first: list[float]
    """When the first token was there; :data:`NEVER` before."""
    end: list[float]
    """When the last token was there; :data:`NEVER` before."""
    fate: list[Fate]
    pool: list[int]
    """Index of the model that took it; -1 before."""

    @classmethod
    def of(cls, arrival: ArrayLike, prompt: ArrayLike, output: ArrayLike, cached: ArrayLike | None = None) -> Self:
        """Columns from arrays of one length, ``arrival`` ascending; nothing is cached where that is not told."""
        prompts = np.maximum(1, np.asarray(prompt, np.int64))
        outputs = np.maximum(1, np.asarray(output, np.int64)).tolist()
        hits = np.zeros_like(prompts) if cached is None else np.asarray(cached, np.int64)
        count = len(prompts)
        return cls(
            arrival=np.asarray(arrival, np.float64).tolist(),
            prompt=prompts.tolist(),
            output=outputs,
            cached=np.clip(hits, 0, prompts - 1).tolist(),
            left=outputs.copy(),
            first=[NEVER] * count,
            end=[NEVER] * count,
            fate=[Fate.WAITING] * count,
            pool=[-1] * count,
        )

    def is_late(self, request: int, limits: Limits, besides_s: float) -> bool:
        """Whether an answered request broke a limit; ``besides_s`` is what it took besides its engine's steps."""
        first, end = self.first[request], self.end[request]
        passed = besides_s - self.arrival[request]
        if first + passed > limits.ttft_s or end + passed > limits.e2e_s:
            return True
        return end - first > limits.tpot_s * (self.output[request] - 1)

    def __len__(self) -> int:
        """How many."""
        return len(self.arrival)
