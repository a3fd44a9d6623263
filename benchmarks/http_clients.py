"""What an upstream HTTP client costs a Python gateway: why the router has one of its own.

``python benchmarks/http_clients.py [--quick] [--json FILE]``. CPU time of a process that does nothing but ask the
do-nothing engine, per whole answer, per stream of 64 chunks that arrive at once, and per chunk of streams that bring
20 chunks a second. ``bare_pull`` and ``bare_push`` are the floor: asyncio protocols without deadlines or errors.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab import sides
from benchmarks.lab.answers import CHUNKS
from benchmarks.lab.processes import ROOT, BenchmarkError, logs, module, pinned
from benchmarks.lab.report import Target, machine, publish, versions

CLIENTS: Final = ("httpx", "httpx2", "aiohttp", "own", "bare_pull", "bare_push")
AT_ONCE: Final = {"unary": 16, "stream": 16, "paced": 200}
TARGETS: Final = (
    Target("unary_own_vs_aiohttp", ">=", 3),
    Target("paced_own_vs_aiohttp", ">=", 1.5),
)


def main() -> int:
    """Compare all clients; 1 when the router's own is not worth its lines, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="What an upstream HTTP client costs.")
    parser.add_argument("--quick", action="store_true", help="one second each instead of five")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    try:
        figures = measure(1 if asked.quick else 5)
    except BenchmarkError as error:
        print(f"benchmarks/http_clients.py: {error}", file=sys.stderr)
        return error.exit_code
    about = machine() | versions(["httpx", "httpx2", "aiohttp", "httptools", "uvloop"])
    return publish(figures, TARGETS, about, asked.json)


def measure(seconds: int) -> dict[str, float]:
    """What each client costs, and how much more than the router's own the others do."""
    figures: dict[str, float] = {}
    with logs() as folder, sides.engine(folder) as engine:
        for client in CLIENTS:
            figures |= _costs(client, engine, seconds)
    for kind in ("unary_cpu_us", "stream_cpu_us", "paced_chunk_cpu_us"):
        for client in ("httpx", "httpx2", "aiohttp"):
            name = f"{kind.partition('_')[0]}_own_vs_{client}"
            figures[name] = figures[f"{client}_{kind}"] / figures[f"own_{kind}"]
    return figures


def _costs(client: str, engine: sides.Side, seconds: int) -> dict[str, float]:
    costs = {}
    for kind, model in (("unary", "burst"), ("stream", "burst"), ("paced", "paced")):
        print(f"· {client}: {kind}", flush=True)
        body = engine.body(stream=kind != "unary", model=model, chunks=CHUNKS)
        costs[kind] = _cost(client, engine.url, body, AT_ONCE[kind], seconds)
    return {
        f"{client}_unary_cpu_us": costs["unary"]["cpu_us"],
        f"{client}_stream_cpu_us": costs["stream"]["cpu_us"],
        f"{client}_paced_chunk_cpu_us": costs["paced"]["cpu_us"] / CHUNKS,
    }


def _cost(client: str, url: str, body: bytes, at_once: int, seconds: int) -> dict[str, float]:
    arguments = ["--client", client, "--url", url, "--at-once", str(at_once), "--seconds", str(seconds)]
    command = pinned(sides.GATEWAY_CORE, module("benchmarks.lab.clients", *arguments))
    run = subprocess.run(command, input=body, capture_output=True, check=False, cwd=ROOT)
    if run.returncode:
        msg = f"{client} failed: {run.stderr.decode()[-500:]}"
        raise BenchmarkError(msg)
    found: dict[str, float] = json.loads(run.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
