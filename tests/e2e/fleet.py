"""The one real fleet of a test session, as its tests see it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.supervise.processes import of_run
from cluster.supervise.state import Home, Record

FREEHOLD = str(Path(sys.executable).with_name("freehold"))
START_S = 600


def environment(home: Path) -> dict[str, str]:
    """What the commands of one fleet see."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FREEHOLD_")}
    return {**kept, "FREEHOLD_HOME": str(home)}


def freehold(home: Path, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the real command to its end."""
    return subprocess.run(
        [FREEHOLD, *arguments],
        env=environment(home),
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_S,
    )


@dataclass(frozen=True)
class Fleet:
    """The demo fleet: real Ray Serve, real vLLM, tiny models."""

    home: Path
    url: str
    """The gateway's base, without ``/v1``."""
    engines: str
    """A replica's base without the gateway, with ``{model}`` in it."""
    run: str
    """The mark of all its processes."""
    started: str
    """What ``freehold up`` printed."""

    def command(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``freehold`` for this fleet."""
        return freehold(self.home, *arguments, stdin=stdin)

    def record(self) -> Record:
        """What the fleet says of itself."""
        return Home(self.home).read()


@dataclass(frozen=True)
class Traces:
    """What a fleet has on this machine while it runs: all of it must be gone afterwards."""

    run: str
    scratch: Path
    shared_memory: frozenset[str]
    """Files below /dev/shm that its processes have mapped."""
    ports: frozenset[int]
    """TCP ports that its processes listen on, but for those that the kernel gives to whoever asks for any: once it is
    down, another test's server may have one of them."""

    @classmethod
    def of(cls, record: Record) -> Traces:
        """Look at every process of a start."""
        processes = of_run(record.run)
        mapped = (path for process in processes for path in _mapped(process))
        return cls(
            record.run,
            Path(record.scratch),
            frozenset(path for path in mapped if path.startswith("/dev/shm/")),  # noqa: S108 - read, not written
            frozenset(port for process in processes for port in listening(process) if port < _ANYBODYS),
        )

    def left(self) -> list[str]:
        """What is still there; empty after a clean down."""
        busy = {port for port in self.ports if _is_open(port)}
        return [
            *(f"process {process.pid} {process.name()}" for process in of_run(self.run)),
            *([str(self.scratch)] if self.scratch.exists() else []),
            *(path for path in self.shared_memory if Path(path).exists()),
            *(f"port {port}" for port in busy),
        ]


def _mapped(process: psutil.Process) -> list[str]:
    try:
        return [region.path for region in process.memory_maps()]
    except psutil.Error:
        return []


def listening(process: psutil.Process) -> list[int]:
    """TCP ports that a process listens on."""
    try:
        return [c.laddr.port for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


_ANYBODYS = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
"""The first port that the kernel chooses by itself."""
PATIENCE_S = 400
"""An engine starts in 40 seconds on idle cores."""


def wait_until(fact: Callable[[], bool]) -> None:
    """Ask again every second until it is so, and not for ever; the cores are for the engines."""
    end = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < end, f"nothing came of it in {PATIENCE_S} s"
        time.sleep(1)
