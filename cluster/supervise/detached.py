"""A supervisor that outlives the terminal: started here, listened to until the fleet is ready or has failed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cluster.errors import StartError
from cluster.supervise.children import last_words
from cluster.supervise.events import Failed, FleetReady, Tell, parse_event
from cluster.supervise.plan import Plan
from cluster.supervise.processes import RUN_VARIABLE


def start_detached(plan: Plan, tell: Tell) -> None:
    """Start a fleet that stays; returns when it is ready, raises StartError when it is not and is down again."""
    plan.home.logs.mkdir(parents=True, exist_ok=True)
    log = plan.home.logs / "supervisor.log"
    supervisor = _start(plan, log)
    try:
        _listen(supervisor, log, tell)
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise


def _start(plan: Plan, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "cluster.supervise", "--fleet", str(plan.file), "--port", str(plan.port)]
    command += ["--timeout", str(plan.timeout_s), "--run", plan.run]
    command += ["--plain"] if plan.plain else []
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            env={**os.environ, RUN_VARIABLE: f"{plan.run}.supervisor", "FREEHOLD_HOME": str(plan.home.root)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=sink,
            start_new_session=True,
        )


def _listen(supervisor: subprocess.Popen[bytes], log: Path, tell: Tell) -> None:
    for line in supervisor.stdout or ():
        event = parse_event(line)
        if isinstance(event, Failed):
            supervisor.wait()
            raise StartError(event.message)
        if event is not None:
            tell(event)
        if isinstance(event, FleetReady):
            return
    msg = f"the supervisor ended with exit code {supervisor.wait()}: {last_words(log)} (log: {log})"
    raise StartError(msg)
