"""The two processes that a fleet consists of, as seen by their supervisor."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from cluster.supervise.events import Event, parse_event

_LINE_BYTES = 1 << 20
_LOOK_S = 0.5
"""How often a silent process is asked whether it lives."""


async def start(command: list[str], environment: dict[str, str], log: Path, *, talks: bool) -> Process:
    """Start one, in a session of its own, so that the terminal's Ctrl-C reaches only the supervisor.

    With ``talks`` its standard output is a pipe of facts; everything else it says goes to ``log``.
    """
    with log.open("ab") as sink:
        return await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE if talks else sink,
            stderr=sink,
            start_new_session=True,
            limit=_LINE_BYTES,
        )


async def facts(process: Process) -> AsyncIterator[Event]:
    """What ``process`` says until it ends; a child that survives it may hold its output open, and is not heard."""
    while process.stdout is not None:
        try:
            line = await asyncio.wait_for(process.stdout.readline(), _LOOK_S)
        except TimeoutError:
            if process.returncode is not None:
                return
            continue
        if not line:
            return
        event = parse_event(line)
        if event is not None:
            yield event


def last_words(log: Path) -> str:
    """The last line of a log that says something: the likeliest cause of a sudden end."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
