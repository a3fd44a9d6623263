"""Taking a fleet down so that no process, port or temporary file is left, whoever is still alive to help.

The order matters: first the supervisor, which would start things again; then the gateway, which lets answers under way
end; then its database and the engines; then whatever outlived its parent.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Event

from cluster.errors import FreeholdError
from cluster.supervise import processes
from cluster.supervise.database import embedded
from cluster.supervise.state import Home, Record

ENGINES_S = 60.0
"""Patience with engines and Ray, which end within a few seconds when all is well."""
MARGIN_S = 5.0


def stop_fleet(home: Home, *, hurry: Event | None = None) -> Record:
    """Take down the fleet under ``home`` from outside; raises NotRunningError when there is none."""
    record = home.read()
    supervisor = record.supervisor_process()
    if supervisor:
        processes.ask_to_end([supervisor], record.drain_s + ENGINES_S + 3 * MARGIN_S, hurry)
    take_down(home, record, hurry)
    return record


def take_down(home: Home, record: Record, hurry: Event | None = None) -> None:
    """End every process of a start and remove its traces; ``hurry`` cuts every patience short once it is set."""
    _end(record, "router", record.drain_s + MARGIN_S, hurry)
    embedded(home, Path(record.scratch)).stop()
    _end(record, "serving", ENGINES_S, hurry)
    left = processes.sweep(record.run)
    shutil.rmtree(record.scratch, ignore_errors=True)
    home.forget()
    if left:
        msg = f"cannot end the processes {', '.join(map(str, left))}; end them by hand"
        raise FreeholdError(msg)


def _end(record: Record, module: str, patience_s: float, hurry: Event | None) -> None:
    tops = [process for process in processes.of_run(record.run) if processes.module_of(process) == module]
    processes.ask_to_end(tops, patience_s, hurry)
