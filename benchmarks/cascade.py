"""What the confidence cascade costs: the gateway's CPU for an answer that is held, and how long its caller waits.

``python benchmarks/cascade.py [--quick] [--json FILE]``. Before a do-nothing engine, with the cascade and without it in
turns on one gateway. ``*_ratio`` are with ÷ without. ``ttft_*`` are before an engine of 20 tokens a second that needs
no time for its first one: with ``hold_seconds: 0.5``, time decides there. How good the decisions are depends on the
models and is not measured here.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab import sides
from benchmarks.lab.holding import SHARE, Size, costs, gateway, waits
from benchmarks.lab.processes import BenchmarkError, logs
from benchmarks.lab.report import Target, machine, publish, versions

TARGETS: Final = (
    Target("kept_stream_cpu_ratio", "<=", 2),
    Target("kept_whole_cpu_ratio", "<=", 4),
    Target("hold_over_limit_max_ms", "<=", 50),
    Target("escalated_share", "<=", 0.25),
    Target("escalated_share", ">=", 0.15),
)
FULL: Final = Size(rounds=3, answers=1000, paced=200)
QUICK: Final = Size(rounds=2, answers=400, paced=120)
_KEPT: Final = 0.0001
"""A share so small that every answer is kept."""
_TOP: Final = 5


def main() -> int:
    """Measure; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="What the confidence cascade costs.")
    parser.add_argument("--quick", action="store_true", help="fewer answers; figures are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    try:
        with logs() as folder:
            figures = measure(QUICK if asked.quick else FULL, folder)
    except BenchmarkError as error:
        print(f"benchmarks/cascade.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["uvicorn", "uvloop", "orjson"]), asked.json)


def measure(size: Size, folder: Path) -> dict[str, float]:
    """All figures; raises :class:`BenchmarkError` where an answer is not whole."""
    figures: dict[str, float] = {}
    with sides.engine(folder) as engine:
        for name, share, top in (("kept", _KEPT, 0), (f"kept_top{_TOP}", _KEPT, _TOP), ("shared", SHARE, 0)):
            with gateway(folder, engine.url, share, "burst", top) as side:
                found = asyncio.run(costs(side, size))
            for kind in ("stream", "whole"):
                plain, tried = found[f"{kind}_plain_cpu_ms"], found[f"{kind}_tried_cpu_ms"]
                figures |= {f"{name}_{kind}_cpu_ms": tried, f"{name}_{kind}_cpu_ratio": tried / plain}
                figures[f"plain_{kind}_cpu_ms"] = plain
        with gateway(folder, engine.url, SHARE, "paced") as side:
            figures |= asyncio.run(waits(side, size))
    return figures


if __name__ == "__main__":
    sys.exit(main())
