"""``python -m serving.driver``: starts Ray and the applications, says when each model answers, then waits for its end.

Started by :mod:`serving.__main__`, which prepares the environment and cleans up after it, whatever becomes of it.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from cluster.errors import EngineFailedError
from cluster.load import load_fleet
from cluster.spec import Fleet
from serving import apps, probe
from serving.causes import cause
from serving.engine import served
from serving.environment import RUN
from serving.events import emit, keep_stdout
from serving.home import engine_log
from serving.processes import memory_of

POLL_S = 0.25


def main() -> int:
    """Run until told to end; 3 when a model could not start."""
    parser = argparse.ArgumentParser(prog="python -m serving.driver")
    parser.add_argument("--fleet", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--scratch", required=True)
    arguments = parser.parse_args()
    keep_stdout()
    try:
        serve(load_fleet(arguments.fleet), arguments.port, arguments.scratch)
    except EngineFailedError as exc:
        emit("model_failed", model=exc.model, cause=exc.cause, log=exc.log)
        return exc.exit_code
    finally:
        apps.stop()
    return 0


def serve(fleet: Fleet, port: int, scratch: str) -> None:
    """Start everything and wait."""
    begun = time.monotonic()
    _timed("ray", lambda: apps.start_ray(fleet, scratch))
    signal.signal(signal.SIGTERM, _leave)  # after Ray, which installs its own
    _timed("serve", lambda: apps.start_serve(port))
    apps.deploy(fleet)
    _wait_until_ready(fleet, port)
    emit("ready", seconds=_since(begun))
    threading.Event().wait()


def _wait_until_ready(fleet: Fleet, port: int) -> None:
    begun = time.monotonic()
    waiting = served(fleet)
    while waiting:
        time.sleep(POLL_S)
        states = apps.states()
        for name, model in list(waiting.items()):
            state = states.get(name, apps.UNKNOWN)
            if state.failed:
                raise _failure(name, state.message)
            if state.running and probe.answers(port, name, model):
                del waiting[name]
                memory = memory_of(os.environ[RUN], name)
                emit("model_ready", model=name, seconds=_since(begun), replicas=state.replicas, memory_bytes=memory)


def _timed(step: str, action: Callable[[], None]) -> None:
    begun = time.monotonic()
    action()
    emit("step", name=step, seconds=_since(begun))


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 2)


def _failure(name: str, message: str) -> EngineFailedError:
    """With the cause that the engine's log tells, to which Serve's own account is added."""
    log = engine_log(name)
    with log.open("a") as story:
        story.write(message + "\n")
    return EngineFailedError(name, cause(log.read_text(errors="replace")), log)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
