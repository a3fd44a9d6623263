"""What a process says is heard until it ends, and not a moment longer than that."""

from __future__ import annotations

import os
import signal
import sys
from asyncio.subprocess import Process
from pathlib import Path

import pytest

from cluster.supervise import children
from cluster.supervise.events import Event, Step

pytestmark = pytest.mark.anyio

STEP = Step(name="ray", seconds=1.5)
SAYS = f"print('loading…'); print({STEP.model_dump_json()!r}, flush=True)"
# Leaves a child that holds its output open until it is killed, and says its id on standard error.
SURVIVED = (
    f"{SAYS}; import subprocess, sys; child = subprocess.Popen(['sleep', '600'], start_new_session=True);"
    " print(child.pid, file=sys.stderr, flush=True)"
)


@pytest.fixture
def anyio_backend() -> str:
    """The supervisor runs on asyncio."""
    return "asyncio"


async def heard(process: Process) -> list[Event]:
    """Every fact that a process tells."""
    return [event async for event in children.facts(process)]


async def begun(code: str, log: Path) -> Process:
    """A program that talks."""
    return await children.start([sys.executable, "-c", code], dict(os.environ), log, talks=True)


async def test_facts_are_heard_and_prints_are_not(tmp_path: Path) -> None:
    """A library's prints on standard output are passed over."""
    process = await begun(SAYS, tmp_path / "log")
    assert await heard(process) == [STEP]
    assert await process.wait() == 0


async def test_a_child_that_holds_the_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """An engine that outlives its killed parent keeps the pipe open; the parent's end is noticed all the same."""
    process = await begun(SURVIVED, tmp_path / "log")
    assert await heard(process) == [STEP]
    assert process.returncode == 0
    os.kill(int((tmp_path / "log").read_text()), signal.SIGKILL)
    assert await heard(process) == []


async def test_last_words_are_the_last_line_that_says_something(tmp_path: Path) -> None:
    """Blank lines at the end of a log are no cause of death; a log that is not there says nothing."""
    log = tmp_path / "log"
    assert children.last_words(log) == ""
    log.write_text("Traceback\nValueError: no such model\n\n  \n")
    assert children.last_words(log) == "ValueError: no such model"
