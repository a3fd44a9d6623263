"""Finding the processes of one start by the environment that they inherited, and ending them by their ids.

Engine cores and HAProxy outlive a killed parent, and Ray's daemons leave their parent's session: neither a process
tree nor a process group holds them all, an inherited variable does.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from threading import Event

import psutil

RUN_VARIABLE = "FREEHOLD_RUN"
"""Names the start that a process belongs to, and which part of it: ``4f2a….engines``."""
MODEL_VARIABLE = "FREEHOLD_MODEL"
"""Names the model that an engine's process belongs to."""
_LOOK_S = 0.05
_KILL_S = 20.0
"""How long killed processes may take to vanish; one that waits for a disk can resist."""


def of_run(run: str) -> list[psutil.Process]:
    """Every process of one start, this one excepted; those of other users cannot be seen."""
    own = os.getpid()
    return [
        process
        for process in psutil.process_iter()
        if process.pid != own and _variable(process, RUN_VARIABLE).partition(".")[0] == run
    ]


def by_model(run: str) -> dict[str, list[psutil.Process]]:
    """The processes of a start's engines, by the model that they serve."""
    found: dict[str, list[psutil.Process]] = defaultdict(list)
    for process in of_run(run):
        if model := _variable(process, MODEL_VARIABLE):
            found[model].append(process)
    return found


def count_replicas(processes: Iterable[psutil.Process]) -> int:
    """How many replicas a model's processes are: each is one process with children, its engine and what that needs."""
    found = list(processes)
    own = {process.pid for process in found}
    return sum(parent_of(process) not in own for process in found)


def memory_of(processes: Iterable[psutil.Process]) -> int:
    """Bytes that processes hold; what they share is divided between them where the system can tell."""
    return sum(map(_memory, processes))


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except (psutil.Error, OSError):
        return 0
    return int(getattr(full, "pss", full.rss))


def _variable(process: psutil.Process, name: str) -> str:
    try:
        return process.environ().get(name, "")
    except (psutil.Error, OSError):
        return ""


def module_of(process: psutil.Process) -> str:
    """``router`` for ``python -m router …``; empty for everything else."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return ""
    return command[2] if command[1:2] == ["-m"] and len(command) > 2 else ""  # noqa: PLR2004 - python -m NAME


def parent_of(process: psutil.Process) -> int:
    """The parent's id; 0 when the process has ended."""
    try:
        return process.ppid()
    except psutil.Error:
        return 0


def ask_to_end(processes: Iterable[psutil.Process], patience_s: float, hurry: Event | None = None) -> None:
    """SIGTERM, then wait until all have ended, at most ``patience_s`` or until ``hurry`` is set."""
    asked = list(processes)
    for process in asked:
        _signal(process, kill=False)
    _wait(asked, patience_s, hurry or Event())


def sweep(run: str, patience_s: float = 3.0) -> list[int]:
    """End what is left of a start: SIGTERM, after ``patience_s`` SIGKILL; the ids of those that resist even that.

    Nothing is left where two looks find nothing: one that is just becoming another program has no environment.
    """
    begun = time.monotonic()
    while left := of_run(run) or _soon_of(run):
        passed = time.monotonic() - begun
        if passed > patience_s + _KILL_S:
            break
        for process in left:
            _signal(process, kill=passed > patience_s)
        _wait(left, 0.5, Event())
    return [process.pid for process in left]


def _soon_of(run: str) -> list[psutil.Process]:
    time.sleep(_LOOK_S)
    return of_run(run)


def lives(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended and waits for its parent to notice does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _wait(processes: list[psutil.Process], patience_s: float, hurry: Event) -> None:
    """Look instead of waiting in the kernel: psutil would take a child's exit code away from who started it."""
    ends = time.monotonic() + patience_s
    while any(map(lives, processes)) and time.monotonic() < ends and not hurry.is_set():
        time.sleep(_LOOK_S)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.Error:
        return
