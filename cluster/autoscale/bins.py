"""What came in looks of any length → rates in bins of one length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Bins:
    """Cuts time into bins; what came in a look is spread evenly over it."""

    width_s: float
    amount: float = 0.0
    """In the bin that is not whole yet."""
    passed_s: float = 0.0
    """Of that bin."""

    def add(self, amount: float, seconds: float) -> Iterator[float]:
        """Count an amount that came within so many seconds; gives the rate of each bin that is whole now."""
        rate = amount / max(seconds, 1e-9)
        while self.passed_s + seconds >= self.width_s:
            part = self.width_s - self.passed_s
            whole = (self.amount + rate * part) / self.width_s
            seconds -= part
            self.amount = self.passed_s = 0.0
            yield whole
        self.amount += rate * seconds
        self.passed_s += seconds
