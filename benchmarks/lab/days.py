"""Traces of an hour, stretched over days: played faster and slower by a day's shape, with their bursts and lengths."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.lab.processes import BenchmarkError
from cluster.demand import Requests, Trace, read_trace
from cluster.demand.week import shape_of_week
from cluster.simulate.calls import Calls
from cluster.spec import Shape

_DAY_S = 86_400.0
_SLOT_S = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """A trace, the shape of its days, and the requests per second of their busiest hour."""

    file: str
    shape: Shape
    peak: float


@dataclass(frozen=True, slots=True)
class Days:
    """Requests in the order of their arrival."""

    arrival_s: np.ndarray[tuple[int], np.dtype[np.float64]]
    requests: Requests

    def calls(self) -> Calls:
        """For one run of a simulation."""
        told = self.requests
        return Calls.of(self.arrival_s, told.prompt_tokens, told.output_tokens, told.cached_tokens)


def days(folder: Path, parts: list[Part], count: int) -> Days:
    """All parts over so many days from Monday on; raises BenchmarkError where a trace is missing."""
    stretched = [_stretched(_trace(folder / part.file), part, count) for part in parts]
    arrival = np.concatenate([one.arrival_s for one in stretched])
    order = np.argsort(arrival, kind="stable")
    columns = [
        np.concatenate([getattr(one.requests, name) for one in stretched])[order]
        for name in ("prompt_tokens", "output_tokens", "cached_tokens")
    ]
    return Days(arrival[order], Requests(*columns))


def _trace(file: Path) -> Trace:
    if not file.is_file():
        msg = f"no trace {file}; name the folder of traces with --traces or FREEHOLD_TRACES"
        raise BenchmarkError(msg)
    return read_trace(file)


def _stretched(trace: Trace, part: Part, count: int) -> Days:
    """The trace over and over, in a time that runs as fast as the shape says."""
    slots = np.arange(0, count * _DAY_S, _SLOT_S)
    hours = shape_of_week(part.shape) * part.peak
    rates = np.interp((slots + _SLOT_S / 2) / 3600 - 0.5, np.arange(len(hours)), hours)
    passed = np.concatenate([[0], np.cumsum(rates * _SLOT_S)])
    size = len(trace.arrival_s)
    number = np.arange(int(passed[-1]))
    due = trace.arrival_s[number % size] * size / trace.span_s + number // size * size
    number = number[due < passed[-1]]
    arrival = np.interp(due[: len(number)], passed, np.append(slots, count * _DAY_S))
    return Days(arrival, trace.at(number % size))
