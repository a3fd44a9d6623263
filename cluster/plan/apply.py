"""A plan into the fleet file: what changes for each model, written so that nothing else does and nothing gets lost."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import JsonValue

from cluster.catalog.gpus import gpu
from cluster.catalog.table import rows
from cluster.errors import FleetFileError, UsageError
from cluster.latency.replica import quant_of, shape_of
from cluster.load import parse_fleet
from cluster.load.edit import changed
from cluster.memory import Replica
from cluster.plan.report import Report
from cluster.plan.sizing import Sized
from cluster.spec import Autoscaling, Fleet, Model
from cluster.spec.base import FieldPath, dotted
from cluster.steady import State

Changes = dict[FieldPath, JsonValue]

_ROOM: Final = 1.5
"""Requests in flight that are allowed, as a multiple of those that a replica has on average at its limit."""


def write_plan(file: Path, facts: Report) -> list[str]:
    """Put the cheapest plan into a fleet file; what was changed, such as ``models.a.replicas.max: 4``.

    Raises UsageError where a place cannot be changed without touching something else, or where the file has changed
    since it was planned; the file is as it was then.
    """
    raw = file.read_bytes()
    if parse_fleet(raw, str(file)) != facts.fleet:
        msg = f"{file} has changed since it was planned; plan again"
        raise UsageError(msg)
    wanted = changes(facts)
    text = raw.decode("utf-8")
    bom, text = ("\ufeff", text[1:]) if text.startswith("\ufeff") else ("", text)
    for path, value in wanted.items():
        text = changed(text, path, value)
    _check(facts.fleet, wanted, text, file)
    if wanted:
        _replace(file, raw, (bom + text).encode())
    return [f"{dotted(path)}: {value}" for path, value in wanted.items()]


def changes(facts: Report) -> Changes:
    """What the cheapest plan has otherwise than the fleet; raises UsageError for weights that no argument makes."""
    models = {tier.name: tier.model for tier in facts.tiers}
    found: Changes = {}
    busiest = 0
    for tier, one in facts.choices[0].tiers.items():
        name, in_flight = models[tier], _in_flight(one)
        busiest = max(busiest, in_flight)
        model = facts.fleet.models[name]
        below = _scale(one, facts.fleet) | (
            {} if in_flight <= model.replicas.max_ongoing_requests else _queue(in_flight)
        )
        below |= _hardware(name, model, one.option.setup.replica) if one.option.setup.replica else {}
        found |= {("models", name, *path): value for path, value in below.items() if _at(model, path) != value}
    if busiest > facts.fleet.routing.busy_in_flight and len(facts.tiers) > 1:
        found["routing", "busy_in_flight"] = busiest
    return found


def planned_fleet(facts: Report) -> Fleet:
    """The fleet as the cheapest plan has it."""
    return Fleet.model_validate(_expected(facts.fleet, changes(facts)))


def _in_flight(one: Sized) -> int:
    if one.option.work is None:
        return 0
    batch = float(State.at(one.option.work, np.array([one.option.rate])).batch[0])
    return math.ceil(batch * _ROOM)


def _queue(in_flight: int) -> Changes:
    return {("replicas", "max_ongoing_requests"): in_flight}


def _scale(one: Sized, fleet: Fleet) -> Changes:
    fewest, most = int(one.replicas.min()), one.most
    wanted: Changes = {("replicas", "min"): fewest, ("replicas", "max"): most}
    if fewest < most and fleet.slo.latencies:
        wanted["replicas", "autoscaling"] = Autoscaling.SLO.value
    return wanted


def _hardware(name: str, model: Model, replica: Replica) -> Changes:
    wanted: Changes = {("accelerator", "count"): replica.gpus}
    if model.accelerator.type == "cpu" or gpu(model.accelerator.type).name != replica.gpu.name:
        wanted["accelerator", "type"] = ray_name(replica.gpu.name)
    if replica.tp > 1 or "tensor_parallel_size" in model.engine_args:
        wanted["engine_args", "tensor_parallel_size"] = replica.tp
    if "pipeline_parallel_size" in model.engine_args:
        wanted["engine_args", "pipeline_parallel_size"] = replica.pp
    if replica.quant.name != quant_of(model, shape_of(model)).name:
        if replica.quant.name != "fp8":
            msg = f"models.{name}.source: set one whose weights are stored as {replica.quant.name}, then plan again"
            raise UsageError(msg)
        wanted["engine_args", "quantization"] = "fp8"
    return wanted


def ray_name(name: str) -> str:
    """How Ray calls a GPU of the catalogue."""
    aliases = next(row["aliases"] for row in rows("gpus.csv") if row["gpu"] == name)
    return aliases.split()[0] if aliases else name


def _at(model: Model, path: FieldPath) -> JsonValue:
    first, second = path
    noun = getattr(model, str(first))
    value: JsonValue = noun.get(second) if isinstance(noun, dict) else getattr(noun, str(second))
    return value


def _check(fleet: Fleet, wanted: Changes, text: str, file: Path) -> None:
    """The new text must say what the old one did, and what is wanted, and nothing else."""
    expected = _expected(fleet, wanted)
    try:
        found = parse_fleet(text.encode(), str(file)).model_dump(mode="json")
    except FleetFileError as exc:
        msg = f"{file}: the plan does not fit into the file as it is written; change it by hand: {exc}"
        raise UsageError(msg) from exc
    if found != expected:
        listed = ", ".join(f"{dotted(path)}: {value}" for path, value in wanted.items())
        msg = f"{file}: cannot be changed without touching something else; write by hand: {listed}"
        raise UsageError(msg)


def _expected(fleet: Fleet, wanted: Changes) -> dict[str, Any]:
    """What a fleet is with these changes, as plain values."""
    whole = fleet.model_dump(mode="json")
    for path, value in wanted.items():
        below = whole
        for step in path[:-1]:
            below = below[str(step)]
        below[str(path[-1])] = value
    return whole


def _replace(file: Path, before: bytes, after: bytes) -> None:
    """The whole new file or the whole old one, whatever happens in between."""
    place = file.resolve()
    descriptor, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    new = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(after)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(place, new)
        if place.read_bytes() != before:
            msg = f"{file} was changed by somebody else just now; plan again"
            raise UsageError(msg)
        new.replace(place)
    finally:
        new.unlink(missing_ok=True)
