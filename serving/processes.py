"""The processes of one start, found by an inherited variable; engines whose replica was killed end at once.

An engine core does not notice that its replica is gone. On Linux this process adopts whatever descendant loses its
parent, and nothing in a healthy fleet ever does: so what it adopts, it ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

import psutil

from serving.environment import MODEL, RUN

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of descendants that lose theirs; only Linux can."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_orphans(own_child: int) -> None:
    """End every adopted process with its children, and forget those that have ended."""
    for child in psutil.Process().children():
        if child.pid == own_child or _tracks_resources(child):
            continue
        if _status(child) == psutil.STATUS_ZOMBIE:
            os.waitpid(child.pid, os.WNOHANG)
        else:
            for process in (*child.children(recursive=True), child):
                _signal(process, signal.SIGKILL)


def of_run(run: str) -> list[psutil.Process]:
    """Every process of a start but this one."""
    own = os.getpid()
    return [process for process in psutil.process_iter() if process.pid != own and _variable(process, RUN) == run]


def end_all(run: str, patience: float) -> list[int]:
    """SIGTERM to what is left of a start, SIGKILL after ``patience`` seconds; the ids of those that still live.

    Python's cleaners of semaphores are spared until the end: they know when theirs has come.
    """
    for process in of_run(run):
        _signal(process, signal.SIGTERM)
    psutil.wait_procs(of_run(run), timeout=patience)
    for process in of_run(run):
        if not _tracks_resources(process):
            _signal(process, signal.SIGKILL)
    psutil.wait_procs(of_run(run), timeout=patience)
    for process in of_run(run):
        _signal(process, signal.SIGKILL)
    _, alive = psutil.wait_procs(of_run(run), timeout=patience)
    return [process.pid for process in alive]


def memory_of(run: str, model: str) -> int:
    """Bytes that a model's processes hold, memory they share divided between them where the system can tell."""
    return sum(_memory(process) for process in of_run(run) if _variable(process, MODEL) == model)


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except (psutil.Error, OSError):
        return None


def _tracks_resources(process: psutil.Process) -> bool:
    """Python's own cleaner of semaphores: it ends by itself, after the last process that used one."""
    try:
        return any("multiprocessing.resource_tracker" in word for word in process.cmdline())
    except psutil.Error:
        return False


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.Error:
        return psutil.STATUS_ZOMBIE


def _memory(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
    except (psutil.Error, OSError):
        return 0
    return int(getattr(full, "pss", full.rss))


def _signal(process: psutil.Process, number: int) -> None:
    try:
        process.send_signal(number)
    except psutil.Error:
        return
