"""How many replicas run is told while a fleet is watched, and only then."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.supervise.processes import MODEL_VARIABLE, RUN_VARIABLE
from cluster.supervise.replicas import keep_telling, replicas_of
from cluster.supervise.state import Home, Record, ServedModel
from tests.cluster.supervise.test_state import RECORD

_WITH_A_CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"


def _record(run: str) -> Record:
    models = [
        ServedModel(name=name, tier="", replicas=3, memory_bytes=0, may_sleep=sleeps, ready_s=1)
        for name, sleeps in (("seen", False), ("unseen", False), ("asleep", True))
    ]
    return RECORD.model_copy(update={"run": run, "models": tuple(models)})


@pytest.fixture
def run() -> Iterator[str]:
    """A start whose model ``seen`` has two replicas, each with a child of its own."""
    name = uuid.uuid4().hex[:12]
    environment = os.environ | {RUN_VARIABLE: f"{name}.serving", MODEL_VARIABLE: "seen"}
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            command = [sys.executable, "-c", _WITH_A_CHILD]
            starting = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            process = stack.enter_context(starting)
            assert process.stdout is not None
            assert process.stdout.readline() == b"1\n"
        yield name


def test_a_replica_is_a_process_with_its_children(run: str) -> None:
    """Two engines with a child each are two; what has no process has what its start said, or sleeps."""
    assert replicas_of(_record(run)) == {"seen": 2, "unseen": 3, "asleep": 0}


def test_it_is_told_in_a_file(tmp_path: Path) -> None:
    """As JSON, whole, where gateways look for it."""
    home = Home(tmp_path)
    file = tmp_path / "run" / "replicas.json"

    async def watch() -> None:
        telling = asyncio.create_task(keep_telling(home, _record("nobody")))
        async with asyncio.timeout(20):
            while not file.exists():  # noqa: ASYNC110 - another thread writes it
                await asyncio.sleep(0.01)
        telling.cancel()

    with home.held():
        asyncio.run(watch())
    assert file.read_text() == '{"seen": 3, "unseen": 3, "asleep": 0}'
