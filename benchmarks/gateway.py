"""How fast the gateway is, beside LiteLLM and ``ray.serve.llm``'s own ingress, in one run on one machine.

``python benchmarks/gateway.py [--quick] [--json FILE] [--only PART …]``; docs/benchmarks.md explains each figure.
"Per gateway core" is answers per second of CPU time of the processes that stand for the gateway (user + system,
children included): the only fair measure where load, engine and gateway share two cores.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab import measures, pauses, sides
from benchmarks.lab.isolation import isolated
from benchmarks.lab.measures import FULL, QUICK, STREAMS, Figures, Plan
from benchmarks.lab.processes import ROOT, BenchmarkError, logs, module
from benchmarks.lab.report import Target, machine, publish, versions
from benchmarks.lab.sides import GATEWAY_CORE, LOAD_CORE, Side

PARTS: Final = ("throughput", "latency", "streams", "memory", "litellm", "ray")
TARGETS: Final = (
    Target("unary_per_s_vs_litellm", ">=", 30),
    Target("unary_per_core_s_vs_litellm", ">=", 30),
    Target("streams_per_s_vs_litellm", ">=", 50),
    Target("streams_per_core_s_vs_litellm", ">=", 50),
    Target("unary_per_s_vs_ray", ">=", 10),
    Target("unary_per_core_s_vs_ray", ">=", 10),
    Target("streams_per_s_vs_ray", ">=", 10),
    Target("streams_per_core_s_vs_ray", ">=", 10),
    Target("added_p50_ms", "<=", 0.5),
    Target("added_p99_ms", "<=", 3),
    Target("gateway_1000_streams_complete", "==", STREAMS),
    Target("gateway_1000_streams_stalls", "<=", 0),
    Target("memory_growth_mb", "<=", 2),
)
PEERS: Final = ("litellm", "ray")


def main() -> int:
    """Measure what was asked for; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="How fast the gateway is, beside its peers.")
    parser.add_argument("--quick", action="store_true", help="two seconds each instead of ten; figures are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    asked = parser.parse_args()
    _allow_many_files()
    plan = QUICK if asked.quick else FULL
    try:
        with logs() as folder:
            figures = measure(asked.only, plan, folder)
    except BenchmarkError as error:
        print(f"benchmarks/gateway.py: {error}", file=sys.stderr)
        return error.exit_code
    targets = [target for target in TARGETS if set(asked.only) == set(PARTS) or target.metric in figures]
    about = machine() | versions(["ray", "uvicorn", "uvloop", "httptools", "pydantic"])
    for site in (ROOT / ".venv-litellm" / "lib").glob("python*/site-packages"):
        about |= versions(["litellm"], site)
    return publish(figures, targets, about, asked.json)


def measure(parts: list[str], plan: Plan, folder: Path) -> Figures:
    """All figures of the parts asked for, the ratios included."""
    figures: Figures = {}
    if "ray" in parts:
        figures |= _ray(plan, folder)
    with sides.engine(folder) as engine:
        sides.check(engine)
        figures |= _throughput(engine, plan)
        if "litellm" in parts:
            with sides.litellm(folder, engine.url) as litellm:
                sides.check(litellm)
                figures |= _throughput(litellm, plan)
        with sides.gateway(folder, engine.url) as gateway:
            sides.check(gateway)
            figures |= _throughput(gateway, plan)
            figures |= _gateway_alone(parts, plan, engine, gateway, figures["gateway_unary_per_s"] / 2)
    return figures | ratios(figures)


def ratios(figures: Figures) -> Figures:
    """The gateway's throughput over each peer's, by the clock and by CPU time."""
    return {
        f"{kind}_{per}_vs_{peer}": figures[f"gateway_{kind}_{per}"] / figures[f"{peer}_{kind}_{per}"]
        for peer in PEERS
        for kind in ("unary", "streams")
        for per in ("per_s", "per_core_s")
        if f"{peer}_{kind}_{per}" in figures
    }


def _throughput(side: Side, plan: Plan) -> Figures:
    _say(f"{side.name}: throughput")
    return measures.throughput(side, plan)


def _gateway_alone(parts: list[str], plan: Plan, engine: Side, gateway: Side, half: float) -> Figures:
    figures: Figures = {}
    if "latency" in parts:
        _say(f"gateway: latency at {half:,.0f} requests/s")
        figures |= pauses.of_cores((GATEWAY_CORE, LOAD_CORE)) | measures.added_latency(engine, gateway, half, plan)
    if "streams" in parts:
        _say(f"{STREAMS:,} streams at once")
        figures |= measures.many_streams(engine, plan) | measures.many_streams(gateway, plan, behind=[engine])
    if "memory" in parts:
        _say(f"gateway: memory over {plan.requests:,} requests")
        figures |= measures.memory(gateway, plan)
    return figures


def _ray(plan: Plan, folder: Path) -> Figures:
    _say("ray: throughput")
    quick = ["--quick"] if plan is QUICK else []
    command = isolated(module("benchmarks.lab.ray_alone", "--logs", str(folder), *quick))
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if run.returncode:
        msg = f"Ray's ingress could not be measured: {run.stderr[-500:]}"
        raise BenchmarkError(msg)
    figures: Figures = json.loads(run.stdout.splitlines()[-1])
    return figures


def _allow_many_files() -> None:
    """A thousand streams are a thousand sockets; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(what: str) -> None:
    print(f"· {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
