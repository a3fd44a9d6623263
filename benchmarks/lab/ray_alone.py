"""Measures Ray's ingress and prints its figures: a process of its own, so that it can run inside its own namespaces.

``python -m benchmarks.lab.ray_alone [--quick]``; ``benchmarks/gateway.py`` starts it through
:mod:`benchmarks.lab.isolation`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.lab import sides
from benchmarks.lab.measures import FULL, QUICK, throughput
from benchmarks.lab.processes import BenchmarkError


def main() -> int:
    """Start, check, measure, print."""
    parser = argparse.ArgumentParser(description="Ray's ingress, measured")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--logs", type=Path, required=True)
    asked = parser.parse_args()
    try:
        with sides.ray_ingress(asked.logs) as side:
            sides.check(side)
            print(json.dumps(throughput(side, QUICK if asked.quick else FULL)))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
