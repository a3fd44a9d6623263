"""From a model of the fleet file, or plain figures, to the timing of one replica."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import JsonValue

from cluster.catalog.gpus import gpu
from cluster.catalog.models import architecture
from cluster.catalog.quant import QUANTS, Quant, quant, quant_in
from cluster.catalog.shape import Architecture
from cluster.errors import CatalogError
from cluster.latency.calibration import applied, kept, key
from cluster.latency.cpu import TINY, CpuTiming
from cluster.latency.learned import learned
from cluster.latency.overheads import overheads
from cluster.latency.plain import plain
from cluster.latency.roofline import Roofline, roofline
from cluster.latency.timing import EngineTiming
from cluster.memory import Replica, budget
from cluster.spec import Model

Found = TypeVar("Found")
MIB = 1 << 20
_CPU_CACHE = {True: 128 * MIB, False: 1024 * MIB}
"""Bytes of KV cache that an engine on a CPU gets, for a built-in model or not."""


def timing_of(model: Model) -> EngineTiming:
    """The timing of one replica of a fleet's model.

    Raises :class:`~cluster.errors.CatalogError`, which names the field, where the catalogue has no figures, where the
    model does not fit, and for models that run elsewhere.
    """
    if model.accelerator.type == "cpu":
        return applied(_on_cpu(model), kept(calibration_key(model)))
    return timing_for(replica_of(model))


def timing_for(replica: Replica) -> Roofline:
    """The timing of one replica from plain figures; raises :class:`~cluster.errors.CatalogError` if it cannot fit."""
    return applied(_on_gpus(replica), kept(key(replica.model.name, replica.gpu.name, replica.gpus)))


def uncalibrated(model: Model) -> Roofline | CpuTiming:
    """As :func:`timing_of`, before anything that ``freehold calibrate`` kept."""
    return _on_cpu(model) if model.accelerator.type == "cpu" else _on_gpus(replica_of(model))


def calibration_key(model: Model) -> str:
    """What a calibration of this model is kept under."""
    if model.accelerator.type == "cpu":
        return key(shape_of(model).name, "cpu", 0)
    replica = replica_of(model)
    return key(replica.model.name, replica.gpu.name, replica.gpus)


def _on_gpus(replica: Replica) -> Roofline:
    if why := misfit(replica):
        raise CatalogError(why)
    return roofline(replica, overheads(replica.engine), budget(replica), learned(replica).factor)


def replica_of(model: Model, on: str = "", tp: int = 0, stored_as: str = "") -> Replica:
    """A fleet's model on its own GPUs, or on others: type ``on``, ``tp`` of them, another quantisation."""
    shape = shape_of(model)
    arguments = model.engine_args
    count = tp or model.accelerator.count
    pipeline = 1 if tp else _whole(arguments, "pipeline_parallel_size", 1)
    kind = _named("accelerator.type", gpu, on or model.accelerator.type)
    return plain(
        shape,
        kind,
        _named("engine_args.quantization", quant, stored_as) if stored_as else quant_of(model, shape),
        tp=tp or _whole(arguments, "tensor_parallel_size", max(1, count // pipeline)),
        pp=pipeline,
        context=model.context_length,
        kv_bytes=1.0 if str(arguments.get("kv_cache_dtype", "")).startswith("fp8") else 2.0,
        max_seqs=_whole(arguments, "max_num_seqs", 0),
        max_batched_tokens=_whole(arguments, "max_num_batched_tokens", 0),
        utilization=_share(arguments, "gpu_memory_utilization", 0.92),
        lora_slots=_whole(arguments, "max_loras", 1) if arguments.get("enable_lora") else 0,
        lora_rank=_whole(arguments, "max_lora_rank", 16),
    )


def shape_of(model: Model) -> Architecture:
    """The architecture behind ``source``; raises :class:`~cluster.errors.CatalogError` that names the field."""
    if not model.runs_here:
        msg = f"engine: a model of engine {model.engine.value!r} runs elsewhere; there is no data for its timing"
        raise CatalogError(msg)
    return _named("source", architecture, model.source)


def quant_of(model: Model, shape: Architecture) -> Quant:
    """How its weights are stored: as ``engine_args.quantization`` says, else its name, else as published."""
    chosen = model.engine_args.get("quantization")
    if isinstance(chosen, str) and chosen:
        return _named("engine_args.quantization", quant, chosen)
    if model.engine_args.get("dtype") in {"float32", "float"}:
        return QUANTS["fp32"]
    return QUANTS[quant_in(model.source) or shape.native_quant]


def _named(field: str, find: Callable[[str], Found], name: str) -> Found:
    try:
        return find(name)
    except CatalogError as exc:
        msg = f"{field}: {exc}"
        raise CatalogError(msg) from exc


def _on_cpu(model: Model) -> CpuTiming:
    shape = shape_of(model)
    if shape.params > TINY:
        msg = f"accelerator.type: no data for {shape.name} on a CPU; name a GPU type, or measure: freehold calibrate"
        raise CatalogError(msg)
    cache = _whole(model.engine_args, "kv_cache_memory_bytes", _CPU_CACHE[model.source.startswith("builtin:")])
    per_token = shape.kv_values * 2.0 * shape.layers
    return CpuTiming(
        kv_tokens=int(cache / per_token),
        max_seqs=_whole(model.engine_args, "max_num_seqs", 128),
        max_batched_tokens=_whole(model.engine_args, "max_num_batched_tokens", 2048),
    )


def misfit(replica: Replica) -> str:
    """Why its GPUs cannot hold it and one sequence of full length, with the way out; empty where they can."""
    room = budget(replica)
    if room.fits:
        return ""
    need = (room.weights + room.activations + room.adapters) / 1e9
    return (
        f"accelerator: {replica.model.name} in {replica.quant.name} does not fit {replica.gpus} x {replica.gpu.name}: "
        f"weights and activations take {need:.0f} GB of {room.usable / 1e9:.0f} GB each, and the KV cache of one "
        f"sequence of {replica.context} tokens must fit too; use more GPUs, fewer bits or a shorter context_length"
    )


def _whole(arguments: Mapping[str, JsonValue], name: str, default: int) -> int:
    value = arguments.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


def _share(arguments: Mapping[str, JsonValue], name: str, default: float) -> float:
    value = arguments.get(name)
    return float(value) if isinstance(value, int | float) and 0 < value <= 1 else default
