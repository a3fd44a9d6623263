"""What the agent knows: the last look at the GPUs, the Xid errors since it began, and what follows from both.

Invariant: an Xid error is told only once, so what follows from it holds until the agent is started anew, after the GPU
was reset. With ``drain``, a replica on a condemned GPU is told to end; nothing but a fleet's own replicas is touched.
"""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

from cluster.errors import NoGpuError
from cluster.gpus.facts import Machine
from cluster.gpus.nvml import Nvml
from cluster.gpus.verdict import Cause, condemned

MODEL = "FREEHOLD_MODEL"
"""Marks the processes of one model."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Report:
    """One look, judged."""

    machine: Machine
    verdicts: Mapping[int, tuple[Cause, ...]]
    """By the GPU's index; empty for one that is well."""
    xids: Counter[tuple[int, int]] = field(default_factory=Counter)
    """How often a GPU had an Xid error since the agent began, by index and error."""
    seen: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """When it had it last, in Unix seconds."""
    models: Mapping[int, str] = field(default_factory=dict)
    """Which model a process on a GPU serves, by the process's id."""

    @property
    def bad(self) -> list[str]:
        """A line for every condemned GPU."""
        return [
            f"GPU {gpu.index} ({gpu.uuid or gpu.name}): {'; '.join(map(str, causes))}"
            for gpu in self.machine.gpus
            if (causes := self.verdicts[gpu.index])
        ]


class Agent:
    """Looks again and again; raises NoGpuError where there is nothing to look at in the first place."""

    def __init__(self, nvml: Nvml, *, drain: bool = False) -> None:
        """Begin to listen for Xid errors; ``drain`` says whether replicas are told to end."""
        self._nvml, self._drain = nvml, drain
        self._xids: Counter[tuple[int, int]] = Counter()
        self._seen: dict[tuple[int, int], float] = {}
        self._told: set[str] = set()
        self._replicas: dict[int, set[psutil.Process]] = {}
        """On each GPU when it last told; a lost one tells nothing, and those are who must leave it."""
        self._ended: set[psutil.Process] = set()
        self.silent = ""
        """Why the last look came to nothing; empty where it did not."""
        self.report = self._look()

    def look(self) -> None:
        """Look now; where the driver does not answer any more, the last report stays."""
        try:
            self.report = self._look()
            self.silent = ""
        except NoGpuError as exc:
            if not self.silent:
                _log.error("%s", exc)
            self.silent = str(exc)

    def _look(self) -> Report:
        for found in self._nvml.xids():
            self._xids[found] += 1
            self._seen[found] = time.time()
            _log.warning("GPU %d reports Xid %d", *found)
        machine = self._nvml.look()
        verdicts = {
            gpu.index: condemned(gpu, [xid for index, xid in self._xids if index == gpu.index]) for gpu in machine.gpus
        }
        models = {one.pid: _model(one.pid) for gpu in machine.gpus for one in gpu.processes}
        report = Report(machine, verdicts, self._xids.copy(), dict(self._seen), models)
        self._follow(report)
        return report

    def _follow(self, report: Report) -> None:
        """Say what is new, and take replicas off."""
        for line in sorted(set(report.bad) - self._told):
            _log.error("%s. It must not be used before it was reset or replaced.", line)
        self._told.update(report.bad)
        if self._drain:
            for gpu in report.machine.gpus:
                if not gpu.lost:
                    self._replicas[gpu.index] = {found for one in gpu.processes if (found := _replica(one.pid))}
                if report.verdicts[gpu.index]:
                    self._take_off(gpu.index)

    def _take_off(self, index: int) -> None:
        """Tell the replicas on a GPU to end, each once; what replaces one there is told so in its turn."""
        replicas = self._replicas.get(index, set()) - self._ended
        for replica in replicas:
            _log.error("GPU %d is condemned: process %d of %s is told to end", index, replica.pid, _model(replica.pid))
            try:
                replica.send_signal(signal.SIGTERM)
            except psutil.Error as exc:
                _log.error("it cannot be told: %s", exc)
        self._ended |= replicas


def _model(pid: int) -> str:
    """The model that a process serves; empty where that cannot be told, as of another user's."""
    try:
        return psutil.Process(pid).environ().get(MODEL, "")
    except (psutil.Error, OSError):
        return ""


def _replica(pid: int) -> psutil.Process | None:
    """The oldest ancestor of a process that serves the same model; None for what is no replica of a fleet."""
    if not _model(pid):
        return None
    try:
        process = psutil.Process(pid)
        while (parent := process.parent()) is not None and _model(parent.pid) == _model(pid):
            process = parent
    except psutil.Error:
        return None
    return process
