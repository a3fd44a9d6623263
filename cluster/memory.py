"""What of a GPU's memory goes where: weights, activations, adapters, and what is left for the KV cache.

Everything is per GPU. The engine splits weights and KV heads by ``tp`` and layers by ``pp``; a latent of MLA cannot be
split and is kept whole on every GPU. Times are :mod:`cluster.latency`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.catalog.gpus import Gpu
from cluster.catalog.quant import QUANTS, Quant
from cluster.catalog.shape import Architecture

USABLE_SHARE = 0.99
"""Of the memory on the data sheet; the driver keeps the rest (an H100 of 80 GiB shows 79.2 to a program)."""
PROGRAM_BYTES = 0.55e9
"""CUDA's context, kernels and the sampler's buffers."""
COLLECTIVE_BYTES = 0.4e9
"""NCCL's buffers with more than one GPU (ai-dynamo/aiconfigurator systems/*.yaml, ``nccl_mem``)."""
ACTIVATION_VALUES = 6.0
"""Numbers of 2 bytes alive at the peak of a layer, per token and unit of its width: residual, input, and the MLP's two
halves; calibrated on two published vLLM starts (Llama-3.1-70B on 4, Yi-34B on 2 H100)."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One copy of a model on GPUs, as its engine was started."""

    model: Architecture
    gpu: Gpu
    quant: Quant = QUANTS["bf16"]
    tp: int = 1
    pp: int = 1
    ep: int = 1
    """GPUs that share out the experts. With more than ``tp``, attention runs ``ep / tp`` times side by side, each with
    its own sequences, and this is one of those."""
    kv_bytes: float = 2.0
    """Per number in the KV cache: 1 with ``kv_cache_dtype: fp8``."""
    max_seqs: int = 256
    max_batched_tokens: int = 8192
    utilization: float = 0.92
    """Share of the GPU that the engine may take (vLLM's ``gpu_memory_utilization``)."""
    of_free: bool = False
    """``utilization`` is of what weights and activations leave, and the KV cache's alone: TensorRT-LLM's
    ``free_gpu_memory_fraction``."""
    context: int = 8192
    """Tokens of one sequence at most."""
    lora_slots: int = 0
    """Adapters in memory at a time (vLLM's ``max_loras``)."""
    lora_rank: int = 16
    engine: str = "vllm"
    engine_version: str = ""

    @property
    def gpus(self) -> int:
        """GPUs that one copy takes."""
        return self.tp * self.pp

    @property
    def ranks(self) -> float:
        """Copies that share the same experts, this one included."""
        return max(1.0, self.ep / self.tp)


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes per GPU, and what they suffice for."""

    usable: float
    weights: float
    activations: float
    """At the largest step, the program's own memory included."""
    adapters: float
    kv: float
    """Left for the KV cache; not above 0 when the model does not fit."""
    kv_tokens: int
    """Tokens that the cache holds, all sequences together, when each is as long as ``context`` allows."""
    sequences: int
    """Sequences of full length at a time."""
    parts: dict[str, float] = field(default_factory=dict)
    """The same by name, for a table."""

    @property
    def fits(self) -> bool:
        """Whether one sequence of full length can run."""
        return self.sequences >= 1


def weight_bytes(model: Architecture, quant: Quant) -> float:
    """Bytes of all weights; embeddings and output layer at 2 bytes whatever the rest is stored in."""
    if quant.weight_bytes > 2:  # noqa: PLR2004 - float32 stores everything so
        return model.params * quant.weight_bytes
    return (model.params - model.embedding_params) * quant.weight_bytes + model.embedding_params * 2


def expert_bytes(model: Architecture, quant: Quant) -> float:
    """Bytes of all routed experts, which are part of :func:`weight_bytes`."""
    return min(model.expert_params * quant.weight_bytes, weight_bytes(model, quant))


def kv_bytes_per_token(replica: Replica) -> float:
    """Bytes that one more token takes on each GPU in the layers that keep the whole context."""
    return _layer_bytes(replica) * replica.model.full_layers / replica.pp


def kv_bytes_of(replica: Replica, tokens: float) -> float:
    """Bytes on each GPU of a sequence of so many tokens; layers with a window keep no more than that."""
    window = replica.model.sliding_window
    kept = min(tokens, window) * (replica.model.layers - replica.model.full_layers) if window else 0.0
    return kv_bytes_per_token(replica) * tokens + _layer_bytes(replica) * kept / replica.pp


def budget(replica: Replica) -> Budget:
    """Share a GPU's memory out."""
    model = replica.model
    whole = replica.gpu.memory_bytes * USABLE_SHARE
    experts = expert_bytes(model, replica.quant)
    weights = (weight_bytes(model, replica.quant) - experts * (1 - 1 / replica.ranks)) / replica.gpus
    activations = _activations(replica)
    adapters = replica.lora_slots * _adapter_bytes(replica)
    taken = weights + activations + adapters
    usable = taken + (whole - taken) * replica.utilization if replica.of_free else whole * replica.utilization
    kv = usable - taken
    sequence = kv_bytes_of(replica, replica.context)
    held = max(0.0, kv) / sequence
    return Budget(
        usable=usable,
        weights=weights,
        activations=activations,
        adapters=adapters,
        kv=kv,
        kv_tokens=int(held * replica.context),
        sequences=int(held),
        parts={"weights": weights, "activations": activations, "adapters": adapters, "kv cache": max(0.0, kv)},
    )


def _layer_bytes(replica: Replica) -> float:
    model = replica.model
    if model.mla_rank:
        return model.kv_values * replica.kv_bytes
    heads = max(1.0, model.kv_heads / replica.tp)  # with more GPUs than KV heads each keeps one
    return 2 * heads * model.head_dim * replica.kv_bytes


def _activations(replica: Replica) -> float:
    model = replica.model
    wide = max(model.hidden, (model.intermediate or model.moe_intermediate * model.experts_per_token) / replica.tp)
    layer = replica.max_batched_tokens * wide * ACTIVATION_VALUES
    logits = 4.0 * min(replica.max_seqs, replica.max_batched_tokens) * model.vocab / replica.tp
    return max(layer, logits) + PROGRAM_BYTES + (COLLECTIVE_BYTES if replica.gpus > 1 else 0)


def _adapter_bytes(replica: Replica) -> float:
    """Two low-rank factors of 2 bytes for each projection of attention and MLP, split over the GPUs like them."""
    model = replica.model
    attention = 2 * model.hidden + 2 * model.head_dim * (model.heads + model.kv_heads) + 2 * model.hidden
    mlp = 3 * (model.hidden + (model.intermediate or model.moe_intermediate * model.experts))
    return 2.0 * replica.lora_rank * (attention + mlp) * model.layers / replica.gpus
