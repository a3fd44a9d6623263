"""``python -m serving --fleet FILE --port N``: the fleet's engines, behind ``http://127.0.0.1:N/<model>/v1``.

Says on standard output what happens, a JSON object a line (:mod:`serving.events`); logs go to ``FREEHOLD_HOME/logs``.
SIGTERM or SIGINT ends it. Whatever ends it, no process, port or temporary file of its own is left. The work is done by
a child (:mod:`serving.driver`); this process only watches and cleans up, so that a crash over there cannot prevent it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from cluster.errors import EngineFailedError, FreeholdError, StartError
from cluster.load import load_fleet
from cluster.spec import Engine, Fleet
from serving import home, plain, processes, proxy, tiny
from serving.engine import engine_kwargs, served
from serving.environment import RUN, environment
from serving.events import emit
from serving.simulated.fleet import simulation_of

TICK_S = 0.5
PATIENCE_S = 10
"""Before the driver is killed."""
MERCY_S = 3
"""Before whatever it left is: engines have nothing to save."""


def main() -> int:
    """Serve until told to end; the exit code is the error's."""
    parser = argparse.ArgumentParser(prog="python -m serving")
    parser.add_argument("--fleet", type=Path, required=True, help="the fleet file")
    parser.add_argument("--port", type=int, required=True, help="of 127.0.0.1, for all its models")
    parser.add_argument("--plain", action="store_true", help="without Ray, where every model is simulated")
    parser.add_argument("--scratch", type=Path, help="an empty directory with a short path, removed at the end")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        _serve(arguments)
    except EngineFailedError as exc:
        emit("model_failed", model=exc.model, cause=exc.cause, log=exc.log)
        return exc.exit_code
    except FreeholdError as exc:
        emit("failed", message=str(exc))
        return exc.exit_code
    except DriverFailedError as exc:
        return exc.exit_code
    return 0


def _check(fleet: Fleet) -> None:
    """Refuse what vLLM would refuse, simulated or not; its arguments only where it is installed to ask."""
    for name, model in served(fleet).items():
        simulated = model.engine is Engine.SIMULATED
        if simulated:
            simulation_of(name, model, fleet.traffic.output_tokens)
        if not simulated or (model.source and find_spec("vllm")):
            engine_kwargs(name, model)


def _serve(asked: argparse.Namespace) -> None:
    if asked.plain:
        fleet = load_fleet(asked.fleet)
        _check(fleet)
        proxy.check_free(asked.port)
        plain.serve(fleet, asked.port)
    else:
        serve(asked.fleet.absolute(), asked.port, asked.scratch)


class DriverFailedError(Exception):
    """The driver has said what failed, and ended."""

    exit_code = StartError.exit_code


def serve(file: Path, port: int, given: Path | None = None) -> None:
    """Check what can be checked in a second, make the weights, then watch the driver; ``given`` is for scratch."""
    fleet = load_fleet(file)
    _check(fleet)
    proxy.check_free(port)
    begun = time.monotonic()
    for model in served(fleet).values():
        if model.engine is Engine.VLLM:
            tiny.locate(model.source, home.models())
    emit("step", name="weights", seconds=round(time.monotonic() - begun, 2))
    run = os.environ.setdefault(RUN, uuid.uuid4().hex[:12])
    processes.adopt_orphans()
    with _scratch(fleet, given) as scratch, _nothing_left(run):
        _drive(fleet, file, port, scratch)


def _drive(fleet: Fleet, file: Path, port: int, scratch: Path) -> None:
    options = ["--fleet", str(file), "--port", str(port), "--scratch", str(scratch)]
    said = home.logs() / "serving.log"
    with said.open("ab") as log:
        driver = subprocess.Popen(
            [sys.executable, "-m", "serving.driver", *options],
            env=environment(fleet, scratch),
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
    if code == StartError.exit_code:
        raise DriverFailedError
    msg = f"Ray ended by itself (code {code}); see {said}"
    raise StartError(msg)


def _end(driver: subprocess.Popen[bytes]) -> None:
    driver.terminate()
    try:
        driver.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        driver.kill()


@contextlib.contextmanager
def _scratch(fleet: Fleet, given: Path | None) -> Iterator[Path]:
    """A directory for everything temporary, with a path short enough for sockets; Ray's logs survive it."""
    home.logs().mkdir(parents=True, exist_ok=True)
    for name in served(fleet):
        home.engine_log(name).unlink(missing_ok=True)
    scratch = given or Path(tempfile.mkdtemp(prefix="fh-"))
    ray_logs = scratch / "session_latest" / "logs"
    kept = home.logs() / "ray"
    _replace(kept)
    kept.symlink_to(ray_logs)
    try:
        yield scratch
    finally:
        _replace(kept)
        with contextlib.suppress(OSError):
            shutil.move(ray_logs, kept)
        shutil.rmtree(scratch, ignore_errors=True)


def _replace(path: Path) -> None:
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _nothing_left(run: str) -> Iterator[None]:
    try:
        yield
    finally:
        processes.end_all(run, MERCY_S)


def _leave(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # once is enough; the rest is cleaning up
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
