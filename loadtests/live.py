"""What a run looks like while it goes on: a line on standard error, or one every ten seconds where nobody watches."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from loadtests.facts import Sample

_RECENT: Final = 500
"""Requests that the percentile is of."""
_SELDOM_S: Final = 10.0


class Live:
    """Shows what comes; use it as a context."""

    def __init__(self, duration_s: float) -> None:
        """``duration_s`` is how long requests are begun."""
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("Waiting for the first answer", total=duration_s)
        self._said = 0.0
        self._ttft: deque[float] = deque(maxlen=_RECENT)
        self._ended = self._failed = 0

    def saw(self, samples: Sequence[Sample], under_way: int) -> None:
        """Some requests ended, and so many are under way."""
        self._ttft.extend(sample.ttft_s for sample in samples if sample.ttft_s is not None)
        self._ended += len(samples)
        self._failed += sum(sample.failed for sample in samples)
        at = max((sample.end_s for sample in samples), default=0.0)
        slow = f", TTFT p95 {_p95(self._ttft):.3f} s" if self._ttft else ""
        line = f"{under_way:,} under way, {self._ended:,} ended, {self._failed:,} failed{slow}"
        if samples:
            self._bar.update(self._task, completed=at, description=line)
        if self._bar.disable and at > self._said + _SELDOM_S:
            self._said = at
            self._bar.console.print(f"{at:6.0f} s: {line}")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def _p95(values: deque[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]
