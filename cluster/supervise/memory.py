"""How much of this machine's memory a fleet's engines will need, roughly and before they start.

Only for engines on the CPU: what fits on a GPU is the engine's own affair. It errs on the low side, so that it refuses
only what cannot work.
"""

from __future__ import annotations

import re
from pathlib import Path

from cluster.spec import Engine, Fleet, Model

GIB = 1 << 30
RAY_BYTES = 1 * GIB
"""Ray's own processes and its smallest object store."""
ENGINE_BYTES = int(1.2 * GIB)
"""Python, torch and vLLM of one replica, before any weight."""
SIMULATED_BYTES = 150 << 20
"""Python and Ray Serve, of a replica that computes nothing."""
CACHE_BYTES = 1 * GIB
"""The KV cache that one engine on a CPU sets aside, unless ``engine_args.kv_cache_memory_bytes`` says otherwise."""
BUILTIN_CACHE_BYTES = 128 << 20
"""That of a built-in model."""
_BYTES_PER_PARAMETER = 2

_BILLIONS = re.compile(r"(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)


def needed(fleet: Fleet, *, with_ray: bool = True) -> int:
    """Bytes that the fleet's smallest state needs; 0 when nothing runs on this machine's CPU."""
    engines = [model for model in fleet.models.values() if model.runs_here]
    replicas = sum(model.replicas.min * replica_bytes(model) for model in engines)
    return replicas + RAY_BYTES if engines and with_ray else replicas


def replica_bytes(model: Model) -> int:
    """Bytes of one replica: program, weights, and the KV cache of a model that writes; 0 on GPUs."""
    if model.engine is Engine.SIMULATED:
        return SIMULATED_BYTES
    if model.accelerator.type != "cpu":
        return 0
    return ENGINE_BYTES + weight_bytes(model.source) + (0 if model.is_embedding else cache_bytes(model))


def cache_bytes(model: Model) -> int:
    """Bytes of one replica's KV cache."""
    usual = BUILTIN_CACHE_BYTES if model.source.startswith("builtin:") else CACHE_BYTES
    chosen = model.engine_args.get("kv_cache_memory_bytes")
    return chosen if isinstance(chosen, int) else usual


def weight_bytes(source: str) -> int:
    """A local model's files, or what the name of a hub model says of its size ("…-1.5B-…"); else 0."""
    if Path(source).is_dir():
        return sum(file.stat().st_size for file in Path(source).glob("*.safetensors"))
    billions = _BILLIONS.search(source)
    return int(float(billions[1]) * 1e9 * _BYTES_PER_PARAMETER) if billions else 0
