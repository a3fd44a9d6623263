"""How far a run's figures are the fleet's and not the generator's: its ceiling, its lateness, its processor."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import numpy as np
import psutil

from cluster.spec.base import Noun
from loadtests.columns import Columns
from loadtests.facts import Run
from loadtests.intervals import percentile

_BUSY: Final = 0.9
"""Cores of one process, which can use one: from here on its events wait for it."""
_NEAR: Final = 0.8
"""Share of the ceiling from which on it may show."""
_LATE: Final = 0.1
"""Share of the median TTFT; a generator as late as that is seen in it."""


class Generator(Noun):
    """The side that asked."""

    workers: int
    cores: float
    """Of processor that the busiest process used."""
    ceiling_streams: int | None
    """Held at once while the ceiling was measured, against an engine that does nothing; None where it was not."""
    ceiling_chunks_per_core_s: float | None
    ceiling_complete_share: float | None
    chunks_per_s: float
    """That came in the run, as far as an output token is a chunk."""
    ceiling_used: float | None
    """Of the ceiling of all workers."""
    late_p50_s: float
    """From when a request was to be sent until it was; part of every latency."""
    late_p95_s: float
    late_p99_s: float
    late_max_s: float
    doubts: tuple[str, ...]
    """Why the figures may be the generator's own; empty where nothing speaks for it."""

    @classmethod
    def of(cls, run: Run, columns: Columns) -> Self:
        """Of a run and all its samples."""
        late = np.maximum(columns.sent_s - columns.intended_s, 0) if len(columns) else np.zeros(1)
        chunks = float(columns.output_tokens[columns.generates].sum()) / max(run.elapsed_s, 1e-9)
        ceiling = run.ceiling
        reach = ceiling.chunks_per_core_s * run.workers if ceiling else 0.0
        found = cls(
            workers=run.workers,
            cores=run.cores,
            ceiling_streams=ceiling.streams if ceiling else None,
            ceiling_chunks_per_core_s=ceiling.chunks_per_core_s if ceiling else None,
            ceiling_complete_share=ceiling.complete_share if ceiling else None,
            chunks_per_s=chunks,
            ceiling_used=chunks / reach if reach else None,
            late_p50_s=percentile(late, 0.5),
            late_p95_s=percentile(late, 0.95),
            late_p99_s=percentile(late, 0.99),
            late_max_s=float(late.max()),
            doubts=(),
        )
        return found.model_copy(update={"doubts": tuple(_doubts(found, columns))})


def _doubts(found: Generator, columns: Columns) -> Iterator[str]:
    more = "take more --workers, or a quieter machine"
    if found.cores > _BUSY:
        yield f"a generator process used {found.cores:.2f} cores of the one that it can; {more}"
    if found.ceiling_used is not None and found.ceiling_used > _NEAR:
        yield f"the run came to {found.ceiling_used:.0%} of the generator's own ceiling; {more}"
    if found.ceiling_complete_share is not None and found.ceiling_complete_share < 1:
        yield f"only {found.ceiling_complete_share:.1%} of the ceiling's streams came whole, so it says nothing"
    known = columns.ttft_s[np.isfinite(columns.ttft_s)]
    if len(known) and found.late_p95_s > _LATE * percentile(known, 0.5):
        late = f"{1000 * found.late_p95_s:.0f} ms"
        yield f"5 in 100 requests were sent {late} late or later, which counts in every latency; {more}"


def machine() -> dict[str, str | float]:
    """The processor, memory and system that the requests came from."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "cpu": next(named, platform.processor()),
        "cores": float(os.cpu_count() or 0),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
    }
