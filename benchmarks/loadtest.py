"""Load tests of 100, 500 and 1,000 users against a rehearsed fleet, and one whose promise nobody could keep.

``python benchmarks/loadtest.py [--quick] [--json FILE]``. The fleet is ``fleets/h100.yaml`` with simulated engines, the
gateway and the load tests are the real ones; each must hold the fleet file's promises. The last one is promised a first
token within a millisecond and must fail by that, in bursts of an open loop. ``ceiling_streams_per_core`` is the worst
of what the generator measured of itself before each run; ``late_p95_s`` is how late it sent, which counts as latency.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab.processes import ROOT, BenchmarkError, logs, module, running
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.ports import free_port

FLEET: Final = "fleets/h100.yaml"
FULL: Final = {100: 180, 500: 120, 1000: 120}
QUICK: Final = {100: 60, 500: 20, 1000: 20}
"""Users → seconds; a hundred users need a minute for the 72 requests that a 95th percentile takes."""
IMPOSSIBLE: Final = ("--rate", "20", "--burst", "--duration", "10", "--slo", "ttft_p95_s=0.001")
_KEPT: Final = ("requests", "error_rate", "ttft_p95_s", "tpot_p95_s", "e2e_p95_s", "output_tokens_per_s")
TARGETS: Final = (
    *(Target(f"users_{users}_passed", "==", 1) for users in FULL),
    *(Target(f"users_{users}_late_p95_s", "<=", 0.01) for users in FULL),
    Target("impossible_exit_code", "==", 1),
    Target("impossible_ttft_broken", "==", 1),
    Target("ceiling_streams_per_core", ">=", 1000),
    Target("ceiling_complete_share", "==", 1),
)


def main() -> int:
    """Run all; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="100, 500 and 1,000 users against a rehearsed fleet.")
    parser.add_argument("--quick", action="store_true", help="20 to 60 seconds each instead of 120 to 180")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    try:
        with logs() as folder:
            figures = measure(folder, QUICK if asked.quick else FULL)
    except BenchmarkError as error:
        print(f"benchmarks/loadtest.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["freehold", "locust", "gevent", "httptools"]), asked.json)


def measure(folder: Path, durations: dict[int, int]) -> dict[str, float]:
    """All load tests, one after the other, on one fleet."""
    port, figures = free_port(), dict[str, float]()
    fleet = [sys.executable, "-c", "from cluster.cli import main; main()", "rehearse", "--plain", "--fleet", FLEET]
    home = {"FREEHOLD_HOME": str(folder / "home")}
    url = f"http://127.0.0.1:{port}"
    ceilings: list[tuple[float, float]] = []
    with running([*fleet, "--port", str(port)], ready=f"{url}/readyz", log=folder / "fleet.log", env=home):
        for users, seconds in durations.items():
            print(f"· {users} users for {seconds} s", flush=True)
            code, result = _test(url, folder, "--users", str(users), "--duration", str(seconds))
            figures |= {f"users_{users}_{name}": value for name, value in _figures(code, result)}
            side = result["generator"]
            ceilings.append((side["ceiling_chunks_per_core_s"] / 20, side["ceiling_complete_share"]))
        print("· a promise that nobody could keep", flush=True)
        code, result = _test(url, folder, *IMPOSSIBLE)
        broken = [gate["name"] for gate in result["gates"] if gate["status"] == "broken"]
    figures["impossible_exit_code"] = code
    figures["impossible_ttft_broken"] = float("ttft_p95_s" in broken)
    figures["impossible_late_p95_s"] = result["generator"]["late_p95_s"]
    figures["ceiling_streams_per_core"] = min(streams for streams, _ in ceilings)
    figures["ceiling_complete_share"] = min(share for _, share in ceilings)
    return figures


def _test(url: str, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """One load test's exit code and result."""
    file, log = folder / "result.json", folder / "loadtest.log"
    command = module("loadtests", "--fleet", FLEET, "--url", url, "--json", str(file), *options)
    environment = {name: value for name, value in os.environ.items() if name != "FREEHOLD_KEY"}
    file.unlink(missing_ok=True)
    with log.open("ab") as out:
        code = subprocess.call(command, cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT)
    if not file.exists():
        msg = f"the load test ended without a result, exit code {code}: {log.read_text()[-500:]}"
        raise BenchmarkError(msg)
    result: dict[str, Any] = json.loads(file.read_bytes())
    return code, result


def _figures(code: int, result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    yield "passed", float(code == 0)
    yield from ((name, result["metrics"][name]) for name in _KEPT)
    yield "late_p95_s", result["generator"]["late_p95_s"]
    yield "generator_cores", result["generator"]["cores"]
    for row in result["prediction"]["rows"]:
        if row["figure"].endswith("_p95_s") and row["error_percent"] is not None:
            yield f"{row['tier']}_{row['figure']}_predicted_error_percent", row["error_percent"]


if __name__ == "__main__":
    sys.exit(main())
