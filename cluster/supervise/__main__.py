"""``python -m cluster.supervise``: the supervisor of a detached start; ``freehold up --detach`` starts and reads it.

Until the fleet is ready its facts go to standard output, a line of JSON each, for the terminal that waits; afterwards
to the log, which is its standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

from cluster.errors import FreeholdError
from cluster.supervise.events import Event, Failed, FleetReady
from cluster.supervise.plan import plan_start
from cluster.supervise.run import run_fleet


def main() -> int:
    """Run one fleet; the exit code is the error's."""
    arguments = argparse.ArgumentParser(prog="python -m cluster.supervise")
    arguments.add_argument("--fleet", type=Path, required=True)
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--timeout", type=float, required=True)
    arguments.add_argument("--run", required=True)
    arguments.add_argument("--plain", action="store_true")
    chosen = arguments.parse_args()
    try:
        plan = plan_start(chosen.fleet, chosen.port, chosen.timeout, chosen.run, plain=chosen.plain)
        asyncio.run(run_fleet(plan, _tell))
    except FreeholdError as exc:
        _tell(Failed(message=str(exc)))
        return exc.exit_code
    return 0


def _tell(event: Event) -> None:
    try:
        print(event.model_dump_json(), flush=True)  # noqa: T201 - the line is the message
    except BrokenPipeError:
        _talk_to_the_log()
    if isinstance(event, FleetReady):
        _talk_to_the_log()


def _talk_to_the_log() -> None:
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
