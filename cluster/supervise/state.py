"""Where a fleet keeps its files, and the record that it leaves of itself while it runs.

One directory holds everything (``FREEHOLD_HOME``), so two fleets with two of them do not meet. A lock that the kernel
releases with its holder tells a living supervisor from the record of a dead one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from cluster.errors import AlreadyRunningError, FreeholdError, NotRunningError
from cluster.supervise.processes import lives


class Phase(StrEnum):
    """How far a fleet has come."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"


class ServedModel(BaseModel):
    """A model of a running fleet; in the record as it was when it became ready, in a status as it is now."""

    model_config = ConfigDict(frozen=True)

    name: str
    tier: str
    replicas: int
    memory_bytes: int
    """Resident memory of the model's processes; 0 for a model behind a URL."""
    may_sleep: bool = False
    """Whether it may have no process."""
    ready_s: float
    """From the start of the fleet until its first token came through the gateway."""


class Record(BaseModel):
    """What a running fleet says of itself in ``run/fleet.json``."""

    model_config = ConfigDict(frozen=True)

    run: str
    """The value of ``FREEHOLD_RUN`` that every process of this fleet carries."""
    fleet: str
    file: str
    url: str
    """The gateway's base, without ``/v1``."""
    engines: str = ""
    """The engines' base with ``{model}`` in it; empty when every model runs elsewhere."""
    scratch: str
    """The temporary directory of all its processes; goes away with them."""
    supervisor: int
    """Process id of whoever watches the fleet."""
    supervisor_created: float
    """That process's start, because process ids are used again."""
    started: float
    """Unix time."""
    drain_s: float
    """How long answers under way may take to end once the fleet is asked to stop."""
    phase: Phase = Phase.STARTING
    models: tuple[ServedModel, ...] = ()

    def supervisor_process(self) -> psutil.Process | None:
        """The supervisor, if it lives."""
        try:
            process = psutil.Process(self.supervisor)
            same = abs(process.create_time() - self.supervisor_created) < 1
        except psutil.Error:
            return None
        return process if same and lives(process) else None


@dataclass(frozen=True, slots=True)
class Home:
    """The directory that holds all state of one fleet."""

    root: Path

    @classmethod
    def from_environment(cls) -> Home:
        """``FREEHOLD_HOME``, by default ``freehold`` in the user's state directory."""
        named = os.environ.get("FREEHOLD_HOME")
        if named:
            return cls(Path(named).expanduser().absolute())
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return cls(Path(state) / "freehold")

    @property
    def logs(self) -> Path:
        """Logs of the last start; the next one begins them anew."""
        return self.root / "logs"

    def admin_key(self) -> str:
        """The key that the first gateway of this fleet made; empty where accounts are off or began elsewhere."""
        file = self.root / "admin.key"
        return file.read_text().strip() if file.is_file() else ""

    @property
    def _run(self) -> Path:
        return self.root / "run"

    @property
    def _file(self) -> Path:
        return self._run / "fleet.json"

    def write(self, record: Record) -> None:
        """Replace the record as a whole, so that no reader sees half of it."""
        _replace(self._file, record.model_dump_json(indent=2))

    def tell_replicas(self, told: str) -> None:
        """Replace what gateways read of how many replicas run (:mod:`cluster.supervise.replicas`)."""
        _replace(self._run / "replicas.json", told)

    def read(self) -> Record:
        """The record of the running fleet; NotRunningError when there is none."""
        try:
            return Record.model_validate_json(self._file.read_bytes())
        except FileNotFoundError:
            raise NotRunningError(self.root) from None
        except ValidationError as exc:
            msg = f"{self._file} is damaged; stop the fleet's processes and remove it"
            raise FreeholdError(msg) from exc

    def clear_logs(self) -> None:
        """Remove what the last start wrote, except the supervisor's own log, which a detached one has open."""
        for entry in self.logs.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != "supervisor.log":
                entry.unlink()

    def forget(self) -> None:
        """Remove the record, and what was told of replicas."""
        for file in (self._file, self._run / "replicas.json", *self._run.glob("wish-*.json")):
            file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other supervisor out; AlreadyRunningError when one is in."""
        for directory in (self._run, self.logs):
            directory.mkdir(parents=True, exist_ok=True)
        with (self._run / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                msg = f"a fleet already runs under {self.root}; stop it with freehold down, or set FREEHOLD_HOME"
                raise AlreadyRunningError(msg) from None
            yield


def _replace(file: Path, text: str) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(file)
