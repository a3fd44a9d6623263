"""What runs now: the record of the start beside what the gateway says this moment."""

from __future__ import annotations

import time

import psutil
from pydantic import BaseModel, ConfigDict

from cluster.client.http import Endpoint
from cluster.errors import FreeholdError
from cluster.supervise.gpus import SeenGpu, look
from cluster.supervise.processes import by_model, count_replicas, memory_of
from cluster.supervise.state import Home, Phase, Record, ServedModel


class Status(BaseModel):
    """A running fleet, as ``freehold status --json`` prints it."""

    model_config = ConfigDict(frozen=True)

    fleet: str
    file: str
    run: str
    url: str
    phase: Phase
    supervised: bool
    """Whether its supervisor lives; without one the gateway is not started again when it dies."""
    ready: bool
    """Whether the gateway says that every tier has a target that answers."""
    detail: str
    """What the gateway says when it is not ready."""
    uptime_s: float
    models: tuple[ServedModel, ...]
    gpus: tuple[SeenGpu, ...] = ()
    """Of this machine."""
    gpus_detail: str = ""
    """Why none is seen."""


def read_status(home: Home) -> Status:
    """Look at the fleet under ``home``; NotRunningError when there is none."""
    record = home.read()
    detail = _not_ready(record.url)
    processes = by_model(record.run)
    gpus, gpus_detail = look({process.pid: name for name, found in processes.items() for process in found})
    return Status(
        fleet=record.fleet,
        file=record.file,
        run=record.run,
        url=record.url,
        phase=record.phase,
        supervised=record.supervisor_process() is not None,
        ready=not detail,
        detail=detail,
        uptime_s=round(time.time() - record.started, 1),
        models=_now(record, processes),
        gpus=gpus,
        gpus_detail=gpus_detail,
    )


def _now(record: Record, processes: dict[str, list[psutil.Process]]) -> tuple[ServedModel, ...]:
    """The models with the replicas and the memory that they have this moment; autoscaling changes both."""
    return tuple(
        model.model_copy(update={"replicas": count_replicas(found), "memory_bytes": memory_of(found)})
        if found or model.may_sleep
        else model
        for model in record.models
        for found in [processes.get(model.name, [])]
    )


def _not_ready(url: str) -> str:
    try:
        Endpoint(url, timeout_s=5).get("/readyz")
    except FreeholdError as exc:
        return str(exc)
    return ""
