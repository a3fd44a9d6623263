"""How fast the simulator is: a million requests on one core.

``python benchmarks/simulate.py [--quick] [--json FILE]``. Llama 3.1 8B on eight L40S, near capacity, under the lengths
that a fleet file has by default. Processor time counts, so that other work on the machine spoils little.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np

from benchmarks.lab.report import Target, machine, publish, versions
from cluster.autoscale.observed import Fixed
from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import QUANTS
from cluster.demand import LogNormals, Requests
from cluster.latency.plain import plain
from cluster.latency.replica import timing_for
from cluster.simulate.calls import Calls
from cluster.simulate.outcome import Times
from cluster.simulate.pool import Service
from cluster.simulate.run import Scenario, Simulation
from cluster.spec import Traffic

_MILLION: Final = 1_000_000
_REPLICAS: Final = 8
_RATE: Final = 2.6
"""Requests per second of a replica: most of what it takes."""
_SEED: Final = 0
TARGETS: Final = (Target("million_requests_s", "<=", 60),)


def main() -> int:
    """Measure; 1 when the target is missed."""
    parser = argparse.ArgumentParser(description="How fast the simulator is.")
    parser.add_argument("--quick", action="store_true", help="50,000 requests instead of a million")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    figures = measure(50_000 if asked.quick else _MILLION)
    return publish(figures, TARGETS, machine() | versions(["numpy"]), asked.json)


def measure(count: int) -> dict[str, float]:
    """Seconds of processor time, scaled to a million."""
    rng = np.random.default_rng(_SEED)
    arrival = np.cumsum(rng.exponential(1 / (_RATE * _REPLICAS), count))
    drawn = _mix().draw(count, rng)
    begun = time.process_time()
    simulation = _played(arrival, drawn)
    times = Times.of(simulation)
    seconds = time.process_time() - begun
    return {
        "requests": count,
        "million_requests_s": seconds * _MILLION / count,
        "simulated_hours": float(arrival[-1]) / 3600,
        "faster_than_real_time": float(arrival[-1]) / seconds,
        "ttft_p95_s": float(np.percentile(times.ttft_s, 95)),
        "tpot_p95_s": float(np.nanpercentile(times.tpot_s, 95)),
    }


def _mix() -> LogNormals:
    lengths = Traffic()
    return LogNormals(lengths.prompt_tokens, lengths.output_tokens, context=32_768)


def _played(arrival: np.ndarray[tuple[int], np.dtype[np.float64]], drawn: Requests) -> Simulation:
    replica = plain(architecture("meta-llama/Llama-3.1-8B-Instruct"), gpu("L40S"), QUANTS["bf16"], context=32_768)
    scaler = Fixed(_REPLICAS)
    service = Service(
        "llama-3.1-8b", timing_for(replica), scaler, _REPLICAS, _REPLICAS, _REPLICAS, max_in_flight=_MILLION
    )
    calls = Calls.of(arrival, drawn.prompt_tokens, drawn.output_tokens, drawn.cached_tokens)
    simulation = Simulation(Scenario([service]), calls, [0] * len(calls), float(arrival[-1]))
    simulation.run()
    return simulation


if __name__ == "__main__":
    sys.exit(main())
