"""What is measured of a side: throughput and its cost, added latency, many streams at once, memory over many requests.

Each function returns flat figures whose names carry their unit. Neighbours: :mod:`benchmarks.lab.sides` starts what is
measured here, :mod:`benchmarks.lab.report` judges the figures.
"""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.lab import probes, wrk
from benchmarks.lab.processes import ROOT, BenchmarkError, module, pinned
from benchmarks.lab.sides import CHAT, LOAD_CORE, Side

Figures = dict[str, float]

STREAMS: Final = 1000
_PER_SECOND: Final = 20
_RAMP_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """How long everything is measured."""

    seconds: float
    """One wrk run, and one open-loop run."""
    rounds: int
    """Runs of each kind; the median counts."""
    stream_seconds: int
    """How long each of the 1,000 streams lasts."""
    requests: int
    """For the memory curve."""
    warm_up: int
    """Requests before the first point of the memory curve."""


FULL: Final = Plan(seconds=10, rounds=3, stream_seconds=30, requests=100_000, warm_up=10_000)
QUICK: Final = Plan(seconds=2, rounds=1, stream_seconds=5, requests=5_000, warm_up=1_000)


def throughput(side: Side, plan: Plan) -> Figures:
    """Whole answers and whole 64-chunk streams a second, and the CPU time that the side spends on one."""
    return _throughput(side, plan, "unary", stream=False) | _throughput(side, plan, "streams", stream=True)


def _throughput(side: Side, plan: Plan, kind: str, *, stream: bool) -> Figures:
    _drive(side, 2, stream=stream)
    before = probes.cpu_seconds(side.members())
    runs = [_drive(side, plan.seconds, stream=stream) for _ in range(plan.rounds)]
    answered = sum(run.answers for run in runs)
    if not answered:
        msg = f"{side.name} gave no whole answer in {plan.seconds * plan.rounds:g} s; is the machine busy?"
        raise BenchmarkError(msg)
    cpu = (probes.cpu_seconds(side.members()) - before) / answered
    return {
        f"{side.name}_{kind}_per_s": statistics.median(run.per_second for run in runs),
        f"{side.name}_{kind}_cpu_ms": cpu * 1e3,
        f"{side.name}_{kind}_per_core_s": 1 / cpu,
    }


def added_latency(engine: Side, gateway: Side, per_second: float, plan: Plan) -> Figures:
    """What the gateway adds to the engine's latency when asked ``per_second`` times a second, round by round."""
    ceiling = open_loop(engine, 1e6, 0.05)
    others = probes.Neighbours([*engine.members(), *gateway.members()])
    rounds = [
        (open_loop(engine, per_second, plan.seconds), open_loop(gateway, per_second, plan.seconds))
        for _ in range(max(3, plan.rounds))
    ]
    figures = {
        "half_load_per_s": per_second,
        "generator_ceiling_per_s": ceiling["per_second"],
        "half_load_others_core_share": others.core_share(),
        "half_load_reached": min(through["per_second"] for _, through in rounds) / per_second,
    }
    for name in ("p50", "p99"):
        key = f"{name}_ms"
        figures[f"engine_half_load_{key}"] = statistics.median(alone[key] for alone, _ in rounds)
        figures[f"gateway_half_load_{key}"] = statistics.median(through[key] for _, through in rounds)
        figures[f"added_{key}"] = statistics.median(through[key] - alone[key] for alone, through in rounds)
    return figures


def many_streams(side: Side, plan: Plan, behind: Sequence[Side] = ()) -> Figures:
    """1,000 streams at once, 20 chunks a second each; ``behind`` is what works for the side."""
    chunks = _PER_SECOND * plan.stream_seconds
    others = probes.Neighbours([member for each in (side, *behind) for member in each.members()])
    before = probes.cpu_seconds(side.members())
    flow = _child(
        "benchmarks.lab.streams",
        ["--url", side.url + CHAT, "--streams", str(STREAMS), "--chunks", str(chunks)],
        side.body(stream=True, model="paced", chunks=chunks),
    )
    cpu = probes.cpu_seconds(side.members()) - before
    prefix = f"{side.name}_1000_streams"
    return {
        f"{prefix}_complete": flow["complete"],
        f"{prefix}_stalls": flow["stalls"],
        f"{prefix}_worst_gap_ms": flow["worst_gap_ms"],
        f"{prefix}_worst_first_ms": flow["worst_first_ms"],
        f"{prefix}_core_share": cpu / (plan.stream_seconds + _RAMP_SECONDS),
        f"{prefix}_reader_core_share": flow["cpu_share"],
        f"{prefix}_others_core_share": others.core_share(),
    }


def memory(side: Side, plan: Plan) -> Figures:
    """Resident memory while requests go by, unary and streamed in turn; the slope starts after the warm-up."""
    points: list[tuple[float, float]] = []
    answered = 0
    while answered < plan.requests or len(points) < 2:  # noqa: PLR2004  a line needs two points
        answered += sum(_drive(side, 2, stream=stream).answers for stream in (False, True))
        if answered >= plan.warm_up:
            points.append((answered, probes.resident_mb(side.process)))
    return {
        "memory_requests": answered,
        "memory_after_warm_up_mb": points[0][1],
        "memory_at_end_mb": points[-1][1],
        "memory_growth_mb": points[-1][1] - points[0][1],
        "memory_slope_bytes_per_request": probes.slope(points) * probes.MEGABYTE,
    }


def _drive(side: Side, seconds: float, *, stream: bool) -> wrk.Throughput:
    body = side.body(stream=stream)
    return wrk.drive(side.url + CHAT, body, seconds=seconds, headers=side.headers, core=LOAD_CORE)


def open_loop(side: Side, per_second: float, seconds: float) -> dict[str, Any]:
    """Latency when asked ``per_second`` times a second; see :class:`benchmarks.lab.open_loop.Latency`."""
    arguments = ["--url", side.url + CHAT, "--rate", str(per_second), "--seconds", str(seconds)]
    arguments += [word for name, value in side.headers.items() for word in ("--header", f"{name}: {value}")]
    return _child("benchmarks.lab.open_loop", arguments, side.body(stream=False))


def _child(name: str, arguments: list[str], body: bytes) -> dict[str, Any]:
    """Run a load generator as a process of its own; it prints one JSON object."""
    command = pinned(LOAD_CORE, module(name, *arguments))
    run = subprocess.run(command, input=body, capture_output=True, check=False, cwd=ROOT)
    if run.returncode:
        msg = f"{name} failed: {run.stderr.decode()[-500:]}"
        raise BenchmarkError(msg)
    found: dict[str, Any] = json.loads(run.stdout)
    return found
