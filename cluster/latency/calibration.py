"""What a fleet's own measurements say the timing is off by, fitted, kept in ``FREEHOLD_HOME`` and applied from there.

Each part of a step gets a factor, held near 1 unless the measurements say otherwise: a few points cannot tell every
part apart. :mod:`cluster.client.sweep` measures, ``freehold calibrate`` calls both.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from statistics import median
from typing import TypeVar

from cluster.errors import CatalogError
from cluster.latency.cpu import CpuTiming
from cluster.latency.load import Lengths, Pace, closed, opened
from cluster.latency.roofline import Roofline

Timing = TypeVar("Timing", bound=Roofline | CpuTiming)
Factors = Mapping[str, float]

FILE = "calibration.json"
PARTS = ("fixed_s", "seq_s", "token_s", "request_s", "dense_read_s", "expert_read_s", "kv_read_s")
_PULL = 0.002
"""What a squared logarithm of a factor costs beside a mean relative error."""
_STEPS = (1.5, 1.2, 1.07, 1.02)
_ROUNDS = 60


@dataclass(frozen=True, slots=True)
class Point:
    """What one load measured; lengths and latencies are means or medians over its requests."""

    prompt: float
    output: float
    ttft_s: float
    tpot_s: float
    callers: float = 0.0
    """Requests under way at any time; 0 where requests came at a rate."""
    rate: float = 0.0
    """Requests a second."""
    at_once: float = 0.0
    """Share of the requests that were sent together at the start."""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Median relative errors."""

    tpot: float
    ttft: float


def key(model: str, gpu: str, count: int) -> str:
    """What a calibration holds for: a catalogue model on so many GPUs of a kind, or on ``cpu``."""
    return f"{model} on {count} x {gpu}" if count else f"{model} on {gpu}"


def fit(timing: Timing, points: Sequence[Point]) -> dict[str, float]:
    """The factors that bring a timing closest to the points: one part after the other, in ever smaller steps."""
    parts = [part for part in PARTS if getattr(timing, part, 0.0) > 0]
    factors = dict.fromkeys(parts, 1.0)
    best = _cost(timing, factors, points)
    for step, _ in product(_STEPS, range(_ROUNDS)):
        for part, by in product(parts, (step, 1 / step)):
            tried = {**factors, part: factors[part] * by}
            cost = _cost(timing, tried, points)
            if cost < best:
                best, factors = cost, tried
    return factors


def applied(timing: Timing, factors: Factors) -> Timing:
    """The timing with its parts multiplied."""
    return replace(
        timing, **{part: getattr(timing, part) * by for part, by in factors.items() if hasattr(timing, part)}
    )


def wrong(timing: Timing, points: Sequence[Point]) -> Wrong:
    """How far a timing is off."""
    found = [(point, _pace(timing, point)) for point in points]
    return Wrong(
        median(abs(pace.tpot_s / point.tpot_s - 1) for point, pace in found),
        median(abs(_ttft(pace, point) / point.ttft_s - 1) for point, pace in found),
    )


def file() -> Path:
    """Where calibrations are kept: in ``FREEHOLD_HOME``, beside everything else of a fleet."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(os.environ.get("FREEHOLD_HOME") or Path(state, "freehold")) / FILE


def kept(name: str) -> Factors:
    """The factors that were kept under a key; none where nothing was calibrated."""
    path = file()
    return _read(path, path.stat().st_mtime_ns).get(name, {}) if path.exists() else {}


def keep(name: str, factors: Factors) -> Path:
    """Write factors under a key, beside those of other keys; gives the file."""
    path = file()
    held = dict(_read(path, path.stat().st_mtime_ns)) if path.exists() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({**held, name: dict(factors)}, indent=2) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


@cache
def _read(path: Path, changed: int) -> Mapping[str, Factors]:
    """The whole file, read once per change (``changed`` is its time)."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        return {name: {part: float(by) for part, by in factors.items()} for name, factors in held.items()}
    except (ValueError, AttributeError, TypeError) as exc:
        msg = f"{path} ({changed}): not what freehold calibrate wrote: {exc}; remove it, or calibrate again"
        raise CatalogError(msg) from exc


def _cost(timing: Timing, factors: Factors, points: Sequence[Point]) -> float:
    tried = applied(timing, factors)
    total = 0.0
    for point in points:
        pace = _pace(tried, point)
        total += abs(math.log(pace.tpot_s / point.tpot_s))
        total += abs(math.log(_ttft(pace, point) / point.ttft_s))
    pulls = sum(math.log(by) ** 2 for by in factors.values())
    return total / (2 * len(points)) + _PULL * pulls


def _pace(timing: Timing, point: Point) -> Pace:
    lengths = Lengths(point.prompt, point.output)
    return opened(timing, lengths, point.rate) if point.rate else closed(timing, lengths, point.callers)


def _ttft(pace: Pace, point: Point) -> float:
    return pace.ttft_s + point.at_once * pace.rush_s
