"""How many streams one core of simulated engine carries, and whether it keeps its own pace meanwhile.

``python benchmarks/simulated_engine.py [--quick] [--json FILE]``. A thousand streams of 20 tokens a second each, read
by another process; then the same engine as Ray Serve would run it, as an ASGI application below uvicorn.
``streams_per_core`` is tokens per second of the engine's CPU time, divided by 20; ``lost_s`` are simulated seconds that
it was too slow for.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab.processes import ROOT, BenchmarkError, logs, module, pinned, running
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.ports import free_port

STREAMS: Final = 1000
SPEED: Final = 0.4
"""Of an engine with 50 tokens a second: 20."""
_PER_STREAM: Final = 20
WAYS: Final = {
    "own": ("serving.simulated", "--speed", str(SPEED)),
    "asgi": ("benchmarks.lab.simulated_asgi", "--speed", str(SPEED)),
}
TARGETS: Final = (
    Target("own_streams_per_core", ">=", STREAMS),
    Target("own_complete_share", ">=", 1),
    Target("own_stalls", "<=", 0),
    Target("own_lost_s", "<=", 0),
    Target("asgi_complete_share", ">=", 1),
)


def main() -> int:
    """Measure; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="A thousand streams of a simulated engine.")
    parser.add_argument("--quick", action="store_true", help="100 tokens a stream instead of 400")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    figures: dict[str, float] = {}
    try:
        with logs() as folder:
            for way, command in WAYS.items():
                print(f"· {way}: {STREAMS} streams", flush=True)
                found = measure(command, folder / f"{way}.log", 100 if asked.quick else 400)
                figures |= {f"{way}_{name}": value for name, value in found.items()}
    except BenchmarkError as error:
        print(f"benchmarks/simulated_engine.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["uvloop", "httptools", "uvicorn"]), asked.json)


def measure(command: tuple[str, ...], log: Path, tokens: int) -> dict[str, float]:
    """One way to serve it; raises :class:`BenchmarkError` when it does not start or the reader fails."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    engine = pinned(1, module(command[0], "--port", str(port), *command[1:]))
    with running(engine, ready=f"{url}/health", log=log) as process:
        flow = _read(f"{url}/v1/completions", tokens)
        cpu = process.cpu_times()
        metrics = _metrics(url)
    spent = cpu.user + cpu.system
    return {
        "streams_per_core": metrics["generation_tokens_total"] / spent / _PER_STREAM,
        "complete_share": flow["complete"] / STREAMS,
        "chunks_per_second": flow["chunks_per_second"],
        "stalls": flow["stalls"],
        "worst_gap_ms": flow["worst_gap_ms"],
        "lost_s": metrics["freehold_simulated_behind_seconds_total"],
        "reader_core_share": flow["cpu_share"],
    }


def _read(url: str, tokens: int) -> dict[str, float]:
    body = {"prompt": "Hello", "max_tokens": tokens, "ignore_eos": True, "stream": True}
    command = module("benchmarks.lab.streams", "--url", url, "--streams", str(STREAMS), "--chunks", str(tokens))
    run = subprocess.run(
        pinned(0, command), input=json.dumps(body), capture_output=True, text=True, check=False, cwd=ROOT
    )
    if run.returncode:
        msg = f"the reader failed: {run.stderr[-500:]}"
        raise BenchmarkError(msg)
    flow: dict[str, float] = json.loads(run.stdout)
    return flow


def _metrics(url: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310 - our own address
        page = answer.read().decode()
    lines = re.findall(r"^(?:vllm:)?(\w+)\{[^}]*\} (\S+)$", page, re.MULTILINE)
    return {name: float(value) for name, value in lines}


if __name__ == "__main__":
    sys.exit(main())
