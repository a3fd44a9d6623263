"""Autoscaling by SLO against Ray Serve's own policy, in simulation: GPU-hours and late requests over days of traces.

``python benchmarks/autoscale.py [--quick] [--json FILE] [--traces FOLDER]``. An 8B model on L40S answers hour-long
traces of Azure's that are stretched over a week. Ray's policy runs with its default target and with every target of a
grid; its best is the cheapest that keeps 99 % of all requests in time, chosen with hindsight for each scenario.
Replicas, router, engines and cold starts are the same for all.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np

from benchmarks.lab.days import Days, Part, days
from benchmarks.lab.processes import ROOT, BenchmarkError
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.autoscale import Scaler
from cluster.autoscale.capacity import capacity_of
from cluster.autoscale.ongoing import Ongoing, OngoingScaler
from cluster.autoscale.slo import SloPolicy, SloScaler
from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import QUANTS
from cluster.demand import Requests
from cluster.latency.plain import plain
from cluster.latency.replica import timing_for
from cluster.latency.timing import EngineTiming
from cluster.simulate.calls import Limits
from cluster.simulate.outcome import Times
from cluster.simulate.pool import Service
from cluster.simulate.run import Scenario, Simulation
from cluster.spec import Shape, Slo

COLD_START_S: Final = 120
IN_TIME: Final = 0.99
RAY_DEFAULT: Final = 2
_START: Final = 3
CHAT: Final = "azure2023_conv_1h.csv.gz"
CODE: Final = "azure2023_code_1h.csv.gz"


@dataclass(frozen=True, slots=True)
class Case:
    """A scenario."""

    parts: list[Part]
    slo: Slo
    targets: Sequence[float]
    """Of Ray's policy, around its best."""


_CHAT_SLO: Final = Slo(ttft_p95_s=1, tpot_p95_s=0.06, goodput=IN_TIME)
CASES: Final = {
    "chat_and_code": Case(
        [Part(CHAT, Shape.CONSUMER, 8), Part(CODE, Shape.OFFICE, 4)],
        Slo(ttft_p95_s=2, tpot_p95_s=0.1, goodput=IN_TIME),
        (3, 3.25, 3.5, 4, 5),
    ),
    "chat_office": Case([Part(CHAT, Shape.OFFICE, 12)], _CHAT_SLO, (15, 17, 18.5, 20, 23)),
    "chat_consumer": Case([Part(CHAT, Shape.CONSUMER, 12)], _CHAT_SLO, (15, 17, 18.5, 20, 23)),
}
TARGETS: Final = (
    Target("chat_and_code_saved_share", ">=", 0.25),
    Target("chat_consumer_saved_share", ">=", 0.25),
    Target("chat_office_saved_share", ">=", 0.25),
    Target("chat_and_code_in_time", ">=", IN_TIME),
    Target("chat_consumer_in_time", ">=", IN_TIME),
    Target("chat_office_in_time", ">=", IN_TIME),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one policy came to."""

    late: float
    """Share of the requests."""
    gpu_hours: float


def main() -> int:
    """Measure; 1 when a target is missed, 3 when the traces are missing."""
    parser = argparse.ArgumentParser(description="Autoscaling by SLO against Ray Serve's own policy, in simulation.")
    parser.add_argument("--quick", action="store_true", help="two days, every other target")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--traces", type=Path, metavar="FOLDER", default=_folder(), help="default: FREEHOLD_TRACES")
    parser.add_argument("--only", choices=list(CASES), help="one scenario")
    asked = parser.parse_args()
    figures: dict[str, float] = {}
    try:
        names = [asked.only] if asked.only else list(CASES)
        with ProcessPoolExecutor() as pool:
            for found in pool.map(partial(measure, folder=asked.traces, quick=asked.quick), names):
                figures |= found
    except BenchmarkError as error:
        print(f"benchmarks/autoscale.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["numpy"]), asked.json)


def measure(name: str, folder: Path, *, quick: bool) -> dict[str, float]:
    """One scenario's figures."""
    case = CASES[name]
    load = days(folder, case.parts, 2 if quick else 7)
    targets = case.targets[::2] if quick else case.targets
    ours = run(load, case, slo_scaler(load, case))
    default = run(load, case, OngoingScaler(Ongoing(target=RAY_DEFAULT), _START))
    tuned = {target: run(load, case, OngoingScaler(Ongoing(target=target), _START)) for target in targets}
    enough = {target: one for target, one in tuned.items() if 1 - one.late >= IN_TIME} or {RAY_DEFAULT: default}
    best = min(enough, key=lambda target: enough[target].gpu_hours)
    found = {
        "in_time": 1 - ours.late,
        "gpu_hours": ours.gpu_hours,
        "ray_default_in_time": 1 - default.late,
        "ray_default_gpu_hours": default.gpu_hours,
        "ray_best_target": best,
        "ray_best_in_time": 1 - enough[best].late,
        "ray_best_gpu_hours": enough[best].gpu_hours,
        "saved_share": 1 - ours.gpu_hours / enough[best].gpu_hours,
        "saved_share_of_default": 1 - ours.gpu_hours / default.gpu_hours,
        "saved_at_equal_share": 1 - ours.gpu_hours / _at_late(list(tuned.values()), ours.late),
        "late_ratio_at_equal_gpu_hours": _at_hours(list(tuned.values()), ours.gpu_hours) / ours.late,
        "requests": len(load.arrival_s),
    }
    found |= {f"ray_{target:g}_in_time": 1 - one.late for target, one in tuned.items()}
    found |= {f"ray_{target:g}_gpu_hours": one.gpu_hours for target, one in tuned.items()}
    return {f"{name}_{key}": float(value) for key, value in found.items()}


def slo_scaler(load: Days, case: Case) -> SloScaler:
    """Ours, told the expected mix by an even sample of the days."""
    at = np.linspace(0, len(load.arrival_s) - 1, 800).astype(np.int64)
    told = load.requests
    sample = Requests(told.prompt_tokens[at], told.output_tokens[at], told.cached_tokens[at])
    policy = SloPolicy(capacity_of(timing(), sample, case.slo), COLD_START_S, late_share=1 - IN_TIME)
    return SloScaler(policy)


def timing() -> EngineTiming:
    """Llama 3.1 8B in bfloat16 on one L40S."""
    return timing_for(
        plain(architecture("meta-llama/Llama-3.1-8B-Instruct"), gpu("L40S"), QUANTS["bf16"], context=32768)
    )


def run(load: Days, case: Case, scaler: Scaler) -> Run:
    """Simulate one policy; says how long that took."""
    begun = time.monotonic()
    limits = Limits(case.slo.ttft_p95_s or 0, case.slo.tpot_p95_s or 0)
    service = Service(
        name="llama-3.1-8b",
        timing=timing(),
        scaler=scaler,
        max_replicas=60,
        initial_replicas=_START,
        cold_start_s=COLD_START_S,
        limits=limits,
        max_in_flight=1_000_000,
    )
    until = float(load.arrival_s[-1])
    simulation = Simulation(Scenario([service]), load.calls(), [0] * len(load.arrival_s), until)
    simulation.run()
    late = float(1 - Times.of(simulation).in_slo.mean())
    found = Run(late, simulation.pools[0].gpu_seconds(until) / 3600)
    print(
        f"  {scaler!s:.60} late {late:.3%}, {found.gpu_hours:.0f} GPU-hours, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    return found


def _at_late(runs: Sequence[Run], late: float) -> float:
    """GPU-hours of Ray's policy where as many are late, between the targets of the grid."""
    order = sorted(runs, key=lambda one: one.late)
    shares = [np.log(one.late) for one in order]
    return float(np.interp(np.log(late), shares, [one.gpu_hours for one in order]))


def _at_hours(runs: Sequence[Run], hours: float) -> float:
    """Share of late requests of Ray's policy at as many GPU-hours."""
    order = sorted(runs, key=lambda one: one.gpu_hours)
    return float(np.exp(np.interp(hours, [one.gpu_hours for one in order], [np.log(one.late) for one in order])))


def _folder() -> Path:
    named = os.environ.get("FREEHOLD_TRACES")
    return Path(named) if named else ROOT.parent / "shared" / "data" / "capacity" / "traces"


if __name__ == "__main__":
    sys.exit(main())
