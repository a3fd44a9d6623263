"""Processes of a start are found by their mark, and none outlives its end. Real processes, no waiting for time."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from serving import processes
from serving.environment import MODEL, RUN

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
PATIENT = "import signal; print('up', flush=True); signal.pause()"
ORPHANS = """
import subprocess, sys
import psutil
from serving import processes
processes.adopt_orphans()
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
leave = "import subprocess as s, sys; print(s.Popen([sys.executable, '-c', sys.argv[1]], stdout=s.DEVNULL).pid)"
orphan = psutil.Process(int(subprocess.check_output([sys.executable, "-c", leave, "import signal; signal.pause()"])))
processes.end_orphans(child.pid)
psutil.wait_procs([orphan], timeout=60)
processes.end_orphans(child.pid)
print(orphan.is_running(), child.poll())
child.kill()
"""


@contextmanager
def _process(code: str, **marks: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, **marks}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def run() -> str:
    """A mark that no other start has."""
    return uuid.uuid4().hex


def test_finds_only_its_own(run: str) -> None:
    """A process of another start is nobody's business."""
    with _process(PATIENT, **{RUN: run}) as ours, _process(PATIENT, **{RUN: "another"}):
        assert [process.pid for process in processes.of_run(run)] == [ours.pid]


@pytest.mark.parametrize("code", [PATIENT, STUBBORN], ids=["willing", "deaf-to-sigterm"])
def test_ends_everything(run: str, code: str) -> None:
    """What does not listen is killed."""
    with _process(code, **{RUN: run}):
        assert processes.end_all(run, patience=1) == []
        assert processes.of_run(run) == []


def test_memory_is_the_models_own(run: str) -> None:
    """A model's figure counts its processes and no other model's."""
    with _process(PATIENT, **{RUN: run, MODEL: "a"}):
        assert processes.memory_of(run, "a") > 1 << 20
        assert processes.memory_of(run, "b") == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process adopt")
def test_orphans_end_and_children_stay() -> None:
    """An engine whose replica is gone ends; the driver does not."""
    said = subprocess.run([sys.executable, "-c", ORPHANS], check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["False", "None"]


def test_what_is_gone_already_is_no_error() -> None:
    """A process may end between being found and being asked."""
    assert not processes.end_all(uuid.uuid4().hex, patience=0)
    assert psutil.pid_exists(os.getpid())
