"""A replica from plain figures, with vLLM's own defaults for what is not said."""

from __future__ import annotations

from cluster.catalog.gpus import Gpu
from cluster.catalog.quant import Quant
from cluster.catalog.shape import Architecture
from cluster.memory import Replica

_LARGE_GPU, _HUGE_GPU = 70 << 30, 160 << 30


def plain(  # noqa: PLR0913 - a replica has that many figures, all by name
    shape: Architecture,
    kind: Gpu,
    stored: Quant,
    *,
    tp: int = 1,
    pp: int = 1,
    context: int = 8192,
    kv_bytes: float = 2.0,
    max_seqs: int = 0,
    max_batched_tokens: int = 0,
    utilization: float = 0.92,
    lora_slots: int = 0,
    lora_rank: int = 16,
    engine: str = "vllm",
    engine_version: str = "",
) -> Replica:
    """A replica; ``max_seqs`` and ``max_batched_tokens`` of 0 become vLLM's own defaults for that GPU (its 0.32)."""
    seqs, tokens = _defaults(kind)
    return Replica(
        model=shape,
        gpu=kind,
        quant=stored,
        tp=tp,
        pp=pp,
        kv_bytes=kv_bytes,
        max_seqs=max_seqs or seqs,
        max_batched_tokens=max_batched_tokens or tokens,
        utilization=utilization,
        context=context,
        lora_slots=lora_slots,
        lora_rank=lora_rank,
        engine=engine,
        engine_version=engine_version,
    )


def _defaults(kind: Gpu) -> tuple[int, int]:
    if kind.memory_bytes >= _HUGE_GPU:
        return 1024, 16384
    if kind.memory_bytes >= _LARGE_GPU and not kind.name.startswith("A100"):
        return 1024, 8192
    return 256, 2048
