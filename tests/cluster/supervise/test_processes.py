"""Processes of a start are found by what they inherited, and ended whatever they think of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from cluster.supervise.processes import (
    MODEL_VARIABLE,
    RUN_VARIABLE,
    ask_to_end,
    by_model,
    lives,
    memory_of,
    module_of,
    of_run,
    parent_of,
    sweep,
)

QUIET = "import sys; print('up', flush=True); sys.stdin.read()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {QUIET}"
# Starts a child in a session of its own and prints its id.
PARENT = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'],"
    f" stdin=subprocess.PIPE, start_new_session=True); {QUIET}"
)


@pytest.fixture
def run() -> str:
    """The mark of a start that is this test's own."""
    return uuid.uuid4().hex


@contextmanager
def started(code: str, run: str, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ``run`` that is up; whatever happens, it is gone afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, RUN_VARIABLE: f"{run}.part", **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_start_is_found_by_its_mark(run: str) -> None:
    """Its processes are found, another's are not."""
    with started(QUIET, run) as process, started(QUIET, f"{run}0"):
        assert [found.pid for found in of_run(run)] == [process.pid]


def test_what_is_asked_to_end_ends(run: str) -> None:
    """SIGTERM is enough for a polite process, and its exit code is left to whoever started it."""
    with started(QUIET, run) as process:
        ask_to_end(of_run(run), 30)
        assert of_run(run) == []
        assert process.wait() == -15


def test_a_child_that_outlives_its_parent_is_swept(run: str) -> None:
    """A killed parent's child in another session is found and ended."""
    with started(PARENT, run) as process:
        assert len(of_run(run)) == 2
        process.kill()
        process.wait()
        while not (left := of_run(run)):  # it is just becoming another program
            time.sleep(0.01)
        assert len(left) == 1
        assert sweep(run) == []
        assert of_run(run) == []


def test_a_stubborn_process_is_killed(run: str) -> None:
    """One that ignores SIGTERM gets SIGKILL after the patience."""
    with started(STUBBORN, run) as process:
        assert sweep(run, patience_s=0.1) == []
        assert process.wait() == -9


def test_one_that_has_ended_does_not_live(run: str) -> None:
    """A process whose parent has not noticed its end counts as ended."""
    with started(QUIET, run) as process:
        seen = psutil.Process(process.pid)
        assert lives(seen)
        process.kill()
        ask_to_end([seen], 30)
        assert not lives(seen)


def test_a_module_is_known_by_its_command(run: str) -> None:
    """``python -m NAME`` is told from everything else."""
    with started(QUIET, run) as process:
        assert module_of(psutil.Process(process.pid)) == ""
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "0"]
    speaks = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=speaks) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline()  # a process that has just begun may have no command line yet
            assert module_of(psutil.Process(server.pid)) == "http.server"
        finally:
            server.kill()


def test_a_models_processes_are_found_and_weighed(run: str) -> None:
    """Engines carry their model's name too, and what they hold adds up."""
    with started(QUIET, run, **{MODEL_VARIABLE: "m"}) as process, started(QUIET, run):
        found = by_model(run)
        assert {model: [each.pid for each in processes] for model, processes in found.items()} == {"m": [process.pid]}
        assert memory_of(found["m"]) > 1 << 20
        assert parent_of(found["m"][0]) == os.getpid()
    assert memory_of(found["m"]) == 0
