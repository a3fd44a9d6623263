"""Starts what is measured, waits until it answers, and ends it with all its children.

Invariant: when a ``with`` block is left, no process that it started is alive. Figures of the processes come from
:mod:`benchmarks.lab.probes`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from cluster.errors import FreeholdError

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout: working directory of everything that is started."""
_POLL: Final = 0.1


class BenchmarkError(FreeholdError):
    """Something that a benchmark needs is missing or did not start; the message says what to do."""


def module(name: str, *arguments: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", name, *arguments]


@contextmanager
def logs() -> Iterator[Path]:
    """A folder for logs, removed unless something fails: the error's message leads there."""
    folder = Path(tempfile.mkdtemp(prefix="fhb-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    command: Sequence[str], *, ready: str, log: Path, env: dict[str, str] | None = None, patience: float = 60
) -> Iterator[psutil.Process]:
    """Run a server until the block is left; ``ready`` is a URL that answers 200 once it serves.

    Raises :class:`BenchmarkError` when it ends early or does not answer within ``patience`` seconds.
    """
    with log.open("ab") as out:
        child = subprocess.Popen(command, cwd=ROOT, env=os.environ | (env or {}), stdout=out, stderr=subprocess.STDOUT)
    process = psutil.Process(child.pid)
    try:
        _await_answer(child, ready, log, patience)
        yield process
    finally:
        end(process)
        child.wait()


def pinned(core: int, command: Sequence[str]) -> list[str]:
    """The command kept, with all that it starts, on one CPU; as it is where there is no such CPU, or no ``taskset``."""
    possible = core < (os.cpu_count() or 1) and shutil.which("taskset") is not None
    return ["taskset", "--cpu-list", str(core), *command] if possible else list(command)


def end(process: psutil.Process, patience: float = 20) -> None:
    """SIGTERM to a process, then SIGKILL to whatever of its tree is still alive after ``patience`` seconds."""
    tree = [process, *process.children(recursive=True)] if process.is_running() else []
    if tree:
        process.terminate()
        psutil.wait_procs([process], timeout=patience)
    for member in tree:
        if member.is_running():
            member.kill()
    psutil.wait_procs(tree, timeout=patience)


def _await_answer(child: subprocess.Popen[bytes], url: str, log: Path, patience: float) -> None:
    until = time.monotonic() + patience
    while not answers(url):
        if child.poll() is not None:
            msg = f"{child.args!r} ended with exit code {child.returncode} before it answered; see {log}"
            raise BenchmarkError(msg)
        if time.monotonic() > until:
            msg = f"{child.args!r} did not answer {url} within {patience:.0f} s; see {log}"
            raise BenchmarkError(msg)
        time.sleep(_POLL)


def answers(url: str) -> bool:
    """Whether a GET is answered with 200 within two seconds."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  the benchmark's own addresses
            return bool(answer.status == 200)  # noqa: PLR2004  HTTP's OK
    except (urllib.error.URLError, OSError):
        return False
