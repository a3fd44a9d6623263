"""``python -m router --fleet FILE --engines URL``: run the gateway until SIGTERM.

With several workers, uvicorn starts processes that share the port; each builds its own application from the
environment (:func:`create`).
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from cluster.errors import FreeholdError
from cluster.load import load_fleet
from cluster.spec import Gateway
from router.app import build
from router.observe.log import JsonLog
from router.observe.metrics import forget_worker
from router.opening import Archive
from router.server import config

_YOUNG = 10_000
"""Objects made and not yet freed before the collector looks at them: some dozens of requests, a millisecond of work."""
_FLEET, _ENGINES = "FREEHOLD_ROUTER_FLEET", "FREEHOLD_ROUTER_ENGINES"


def main(argv: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m router", description="The Freehold gateway.")
    parser.add_argument("--fleet", required=True, type=Path, help="the fleet file")
    engines = "http://127.0.0.1:8000/{model}"
    parser.add_argument("--engines", default=engines, help="engines' base address, with {model} or {slug} in it")
    parser.add_argument("--host", help="default: gateway.host of the fleet file")
    parser.add_argument("--port", type=int, help="default: gateway.port of the fleet file")
    parser.add_argument("--drain", type=float, help="seconds; default: gateway.deadlines.drain of the fleet file")
    options = parser.parse_args(argv)
    try:
        fleet = load_fleet(options.fleet)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold keys and prompts
        os.environ[_FLEET], os.environ[_ENGINES] = str(options.fleet), options.engines
        _run(_adapted(fleet.gateway, options))
    except FreeholdError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    return 0


def create() -> ASGIApp:
    """The application of one worker."""
    log = JsonLog(sys.stderr.buffer)
    _log_through(log)
    home = os.environ.get("FREEHOLD_HOME")
    fleet = load_fleet(Path(os.environ[_FLEET]))
    app = build(fleet, os.environ[_ENGINES], log, _archive(), Path(home) if home else None)
    _collect_less()
    return app


def _collect_less() -> None:
    """Keep the collector of cycles away from what lives as long as the worker, and have it look at the rest seldom.

    Walking over all modules again and again was a tenth of the CPU of a request, and milliseconds in its p99.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)


def _archive() -> Archive | None:
    """Where accounts are kept, as the environment says."""
    url, home = os.environ.get("FREEHOLD_DATABASE_URL"), os.environ.get("FREEHOLD_HOME")
    return Archive(url, Path(home)) if url and home else None


def _adapted(gateway: Gateway, options: argparse.Namespace) -> Gateway:
    """The fleet file's settings, with what the command line says instead."""
    drain = gateway.deadlines.drain if options.drain is None else options.drain
    own = {"host": options.host or gateway.host, "port": options.port or gateway.port}
    return gateway.model_copy(update=own | {"deadlines": gateway.deadlines.model_copy(update={"drain": drain})})


def _run(gateway: Gateway) -> None:
    settings = config(
        "router.__main__:create",
        drain_seconds=gateway.deadlines.drain,
        host=gateway.host,
        port=gateway.port,
        workers=gateway.workers,
        factory=True,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)  # uvicorn raises them once more when it has drained
    if gateway.workers == 1:
        uvicorn.Server(settings).run()
        return
    metrics = os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="freehold-metrics-")
    try:
        _Workers(settings, sockets=[settings.bind_socket()]).run()
    finally:
        shutil.rmtree(metrics, ignore_errors=True)


class _Workers(Multiprocess):
    """uvicorn's workers; once they drain, nobody keeps the port open on which nobody would answer."""

    def keep_subprocess_alive(self) -> None:
        """One that died is replaced; what it had under way is under way no more."""
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            forget_worker(pid)

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def _end(*_: object) -> NoReturn:
    sys.exit(0)


def _log_through(log: JsonLog) -> None:
    """Whatever a library logs becomes a JSON line too."""
    handler = logging.StreamHandler()
    handler.addFilter(log.record)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


if __name__ == "__main__":
    sys.exit(main())
