"""Bursts that are over before a new replica could be ready: what must stand by for them, by how they were of late.

Where requests come as evenly as chance has it, following the load is all there is to do. Where they come in bursts of
seconds, following comes too late: the replicas that stand by decide how many are late. Their number is the smallest
for which the bins of the last hours, and of this time a day ago, would have had no more late requests than permitted.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from cluster.autoscale.bins import Bins
from cluster.autoscale.capacity import Capacity
from cluster.autoscale.lengths import Length
from cluster.autoscale.observed import Observed

BIN_S = 10.0
_LOOK_S = 60.0
_DAY = 8640
_PAST = 720
"""Bins of the last two hours."""
_GROUP = 30
"""Bins within which evenness is judged: over five minutes the load itself hardly moves."""
_STEPS = 2
"""So many groups are left out, or half of them: load that steps up, or down, is no burst."""
_HALF = 180
"""Bins after which one of the last hours counts half."""
_BEFORE, _AFTER = 180, 270
"""Bins around this time a day ago."""
_YESTERDAY = 0.75
"""What they weigh beside the last hours."""
_SCALED = 2.0
"""By how much more or less than yesterday its bins are taken at most."""
_EVEN, _BURSTY = 0.15, 0.35
"""Deviation of a bin's requests beyond chance, over their mean: up to here followed, from there on held for."""
_SURE = 3.0
"""Standard errors that are not taken for bursts."""
_LENGTHS = 5000.0
"""Requests after which half of a mix is forgotten: it is of hours, not of one burst."""
_STEEP = 3.0
"""Late requests for each load beyond those whose late requests are known."""
_MOST = 4096

Array = NDArray[np.float64]


@dataclass(slots=True)
class Bursts:
    """Of one model."""

    capacity: Capacity
    permitted: float
    """Share of requests that may be late."""
    share: float = 0.0
    """How far replicas are held for bursts instead of following the load: 0 to 1."""
    held: int = 0
    """Replicas that must stand by for them; 0 where load is only followed."""
    _since_s: float = 0.0
    _loads: deque[float] = field(default_factory=lambda: deque(maxlen=_DAY + _PAST))
    _counts: deque[float] = field(default_factory=lambda: deque(maxlen=_PAST))
    _load: Bins = field(default_factory=lambda: Bins(BIN_S))
    _count: Bins = field(default_factory=lambda: Bins(BIN_S))
    _prompt: Length = field(init=False)
    _output: Length = field(init=False)

    def __post_init__(self) -> None:
        """Expect what the capacity expects."""
        self._prompt = Length(self.capacity.mean_prompt, _LENGTHS)
        self._output = Length(self.capacity.mean_output, _LENGTHS)

    def add(self, seen: Observed, seconds: float, factor: float) -> None:
        """Count what came within so many seconds; replicas do ``1 / factor`` of what the model of capacity says."""
        self._prompt.add(seen.prompt_tokens, seen.arrived)
        self._output.add(seen.output_tokens, seen.ended)
        self._loads.extend(self._load.add(self._weighed(seen), seconds))
        self._counts.extend(rate * BIN_S for rate in self._count.add(seen.arrived, seconds))
        self._since_s += seconds
        if self._since_s >= _LOOK_S and self.capacity.late:
            self._since_s = 0.0
            self.share = self._unevenness()
            self.held = self._standing_by(factor) if self.share else 0

    def _standing_by(self, factor: float) -> int:
        loads, weights = self._bins()
        loads = loads * factor
        parts = weights * loads / max(1e-9, float(weights @ loads))
        known, late = np.array(self.capacity.late).T

        def few_are_late(replicas: int) -> bool:
            each = loads / replicas
            shares = np.interp(each, known, late) + _STEEP * np.maximum(0, each - known[-1])
            return bool(parts @ np.minimum(1, shares) <= self.permitted)

        low, high = 0, 1
        while high < _MOST and not few_are_late(high):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if few_are_late(middle) else (middle, high)
        return high

    def _weighed(self, seen: Observed) -> float:
        """Replica-seconds of what came, by the mix of late."""
        capacity, output = self.capacity, self._output.now
        if not capacity.mixes:
            return capacity.load(seen.prompt_tokens, seen.arrived * output)
        ratios, prompts, outputs = np.array(capacity.mixes).T
        mix = self._prompt.now / max(1e-3, output)
        prompt_s, output_s = (float(np.interp(mix, ratios, each)) for each in (prompts, outputs))
        return seen.prompt_tokens * prompt_s + seen.arrived * output * output_s

    def _unevenness(self) -> float:
        """0 where requests come by chance alone, 1 where they come in bursts."""
        groups = len(self._counts) // _GROUP
        if groups <= 1 or not any(self._counts):
            return 0.0
        counts = np.array(self._counts)[-groups * _GROUP :].reshape(groups, _GROUP)
        mean = float(counts.mean())
        calmest = np.sort(counts.var(axis=1, ddof=1))[: groups - min(_STEPS, groups // 2)]
        variance = float(calmest.mean())
        excess = variance - mean - _SURE * sqrt((mean + 2 * mean**2) / counts.size)
        if excess <= 0:
            return 0.0
        return min(1.0, max(0.0, (sqrt(excess) / mean - _EVEN) / (_BURSTY - _EVEN)))

    def _bins(self) -> tuple[Array, Array]:
        """Loads, and what each counts."""
        every = np.array(self._loads)
        past = every[-_PAST:]
        weights = 0.5 ** (np.arange(len(past))[::-1] / _HALF)
        weights /= max(1e-9, float(weights.sum()))
        then = len(every) - _DAY
        if then < _PAST:
            return past, weights
        day_ago = every[then - _BEFORE : then + _AFTER]
        before = float(every[then - _PAST : then].mean())
        grown = min(_SCALED, max(1 / _SCALED, float(past.mean()) / before)) if before else 1.0
        count = len(day_ago)
        return (
            np.concatenate([past, day_ago * grown]),
            np.concatenate([weights * (1 - _YESTERDAY), np.full(count, _YESTERDAY / count)]),
        )
