"""One start, decided before anything runs: which fleet, where, under which mark."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.load import load_fleet
from cluster.ports import free_ports
from cluster.spec import Fleet
from cluster.supervise.processes import RUN_VARIABLE
from cluster.supervise.state import Home, Record

_SECRETS = ("ANTHROPIC_API_KEY", "FREEHOLD_PEPPER", "FREEHOLD_DATABASE_URL", "FREEHOLD_KEY", "FREEHOLD_BACKUP_KEY")
"""Variables that neither engines nor the database need, whether the fleet file names them or not."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a start needs to know."""

    fleet: Fleet
    file: Path
    home: Home
    port: int
    timeout_s: float
    """Until the fleet must be ready."""
    run: str
    """Marks every process of this start."""
    plain: bool = False
    """Whether simulated engines run without Ray."""

    @property
    def has_engines(self) -> bool:
        """Whether any model needs an engine of ours."""
        return any(model.runs_here for model in self.fleet.models.values())

    def record(self) -> Record:
        """A first record, with a scratch directory and a port for the engines chosen now."""
        host = self.fleet.gateway.host
        reachable = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - read, not bound
        url_host = f"[{reachable}]" if ":" in reachable else reachable
        return Record(
            run=self.run,
            fleet=self.fleet.name,
            file=str(self.file),
            url=f"http://{url_host}:{self.port}",
            engines=f"http://127.0.0.1:{free_ports(1)[0]}/{{model}}" if self.has_engines else "",
            scratch=_scratch(),
            supervisor=os.getpid(),
            supervisor_created=psutil.Process().create_time(),
            started=time.time(),
            drain_s=self.fleet.gateway.deadlines.drain,
        )

    def environment(self, record: Record, part: str) -> dict[str, str]:
        """What the processes of one part of this start inherit: secrets only the gateway, which is who uses them.

        Each part has a mark of its own, because it ends its own leftovers by it. ``SPT_NOENV`` keeps setproctitle,
        which Ray and vLLM call, from writing over the environment that marks them.
        """
        mine = {
            "FREEHOLD_HOME": str(self.home.root),
            RUN_VARIABLE: f"{self.run}.{part}",
            "SPT_NOENV": "1",
            "TMPDIR": record.scratch,
            "PYTHONUNBUFFERED": "1",
        }
        return {name: value for name, value in os.environ.items() if name not in self._withheld(part)} | mine

    def _withheld(self, part: str) -> set[str]:
        if part == "gateway":
            return set()
        return {*self.fleet.key_envs} | {self.fleet.database.url_env, *_SECRETS}

    def serving_command(self, record: Record) -> list[str]:
        """Starts the engines."""
        port = record.engines.removeprefix("http://127.0.0.1:").removesuffix("/{model}")
        options = ["--fleet", str(self.file), "--port", port, "--scratch", record.scratch]
        return [sys.executable, "-m", "serving", *options, *(["--plain"] if self.plain else [])]

    def gateway_command(self, record: Record) -> list[str]:
        """Starts the gateway."""
        listen = ["--host", self.fleet.gateway.host, "--port", str(self.port)]
        return [sys.executable, "-m", "router", "--fleet", str(self.file), "--engines", record.engines, *listen]


def plan_start(file: Path, port: int | None, timeout_s: float, run: str = "", *, plain: bool = False) -> Plan:
    """Read the fleet file and decide on one start of it; ``port`` overrides the file's, ``run`` is new by default."""
    fleet = load_fleet(file)
    run = run or uuid.uuid4().hex[:12]
    return Plan(fleet, file.absolute(), Home.from_environment(), port or fleet.gateway.port, timeout_s, run, plain)


def _scratch() -> str:
    """A short path: Ray's sockets live below it, and the kernel allows 107 bytes."""
    short = Path("/tmp")  # noqa: S108 - only its shortness is wanted; the directory in it is fresh and private
    return tempfile.mkdtemp(prefix="fh-", dir=short if os.access(short, os.W_OK) else None)
