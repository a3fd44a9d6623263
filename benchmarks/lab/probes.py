"""What a side costs: CPU seconds and resident memory of its processes, children included.

Not covered: the kernel's work outside of any process, of which loopback traffic causes little.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence

import psutil

MEGABYTE = 1 << 20


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """User and system time so far; processes that ended meanwhile no longer count."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


class Neighbours:
    """CPU time of everything on the machine but the processes that a measurement is about."""

    def __init__(self, own: Sequence[psutil.Process]) -> None:
        """Start counting; this process and the children that it waits for are its own too."""
        self._own = own
        self._began, self._before = time.perf_counter(), self._others()

    def core_share(self) -> float:
        """How many cores the others have kept busy since then, on average."""
        return max(0.0, self._others() - self._before) / (time.perf_counter() - self._began)

    def _others(self) -> float:
        now, mine = psutil.cpu_times(), os.times()
        busy = sum(now) - now.idle - getattr(now, "iowait", 0.0)
        return busy - cpu_seconds(self._own) - sum(mine[:4])


def resident_mb(process: psutil.Process) -> float:
    """Memory of a process tree that is in RAM, in MiB."""
    return float(sum(member.memory_info().rss for member in [process, *process.children(recursive=True)]) / MEGABYTE)


def slope(points: list[tuple[float, float]]) -> float:
    """Least-squares slope of ``(x, y)``; 0 for fewer than two points."""
    if len(points) < 2:  # noqa: PLR2004  a line needs two
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
