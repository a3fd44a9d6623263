"""How often the machine itself stands still: two cores that do nothing but look at the clock.

A virtual machine's cores may be taken away for milliseconds, above all when both are busy, and no process on it sees
more than a jump of the clock. Whatever is measured in milliseconds has those pauses in its tail.
``python -m benchmarks.lab.pauses --seconds S`` watches the core that it is on and prints pauses, in seconds, as JSON.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from typing import Final

from benchmarks.lab.processes import ROOT, module, pinned

_SECONDS: Final = 5
_PAUSE_S: Final = 0.001


def of_cores(cores: tuple[int, ...]) -> dict[str, float]:
    """Pauses of more than a millisecond on cores that are all kept busy, before anything else runs."""
    watches = [
        subprocess.Popen(
            pinned(core, module("benchmarks.lab.pauses", "--seconds", str(_SECONDS))),
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for core in cores
    ]
    found = [pause for watch in watches for pause in json.loads(watch.communicate()[0])]
    return {
        "machine_pauses_per_core_s": len(found) / _SECONDS / len(cores),
        "machine_worst_pause_ms": max(found, default=0.0) * 1e3,
    }


def main() -> None:
    """Watch, print."""
    parser = argparse.ArgumentParser(description="pauses of a core")
    parser.add_argument("--seconds", type=float, required=True)
    asked = parser.parse_args()
    pauses = []
    end = time.perf_counter() + asked.seconds
    last = time.perf_counter()
    while last < end:
        now = time.perf_counter()
        if now - last > _PAUSE_S:
            pauses.append(now - last)
        last = now
    print(json.dumps(pauses))


if __name__ == "__main__":
    main()
