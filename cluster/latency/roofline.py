"""How long one step takes on GPUs: what must be read and computed, over what the GPU can, plus what each step costs.

A step reads the weights that its tokens need and the KV cache of its sequences, computes two operations per weight and
token, and with several GPUs sums activations over the link twice per layer. The roofline (Williams et al., 2009) takes
the longer of reading and computing. The shares that engines reach, and the fixed costs, are :mod:`.overheads`'.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.latency.overheads import Overheads
from cluster.latency.timing import Step
from cluster.memory import Budget, Replica, budget, expert_bytes, kv_bytes_per_token, weight_bytes

HOST_LINK = 100e9
"""Links up to so many bytes a second are PCIe's."""
CROWDING = 0.7
"""How fast what each GPU has of PCIe falls with their number: fits TensorRT-LLM's published Llama 70B on 2, 4 and 8."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """Timing of one replica; implements :class:`~cluster.latency.timing.EngineTiming`."""

    kv_tokens: int
    max_seqs: int
    max_batched_tokens: int
    request_s: float
    fixed_s: float
    """Of every step: scheduling, launching, and the layers' own fixed cost."""
    seq_s: float
    """Per sequence in a step: sampling, detokenizing."""
    dense_read_s: float
    """Reading the weights that every step needs."""
    expert_read_s: float
    """Reading every routed expert; a step reads those that its tokens chose."""
    miss: float
    """Probability that one token does not choose a given expert."""
    token_s: float
    """Computing one token, and sending its activations."""
    kv_read_s: float
    """Reading the KV cache of one token."""
    pair_s: float
    """Attention of one new token to one earlier token of a prompt."""
    scale: float = 1.0
    """What calibration found the whole to be off by."""

    def step_s(self, step: Step) -> float:
        """Seconds of one step; weights are read while tokens are computed, the rest adds up."""
        tokens = step.prefill_tokens + step.decode_seqs
        if not tokens:
            return 0.0
        read = self.dense_read_s
        if self.expert_read_s:
            read += self.expert_read_s * (1 - self.miss**tokens)
        body = max(read, self.token_s * tokens)
        attention = self.kv_read_s * step.decode_context + self.pair_s * step.prefill_context
        return self.scale * (self.fixed_s + self.seq_s * step.decode_seqs + body + attention)


def roofline(replica: Replica, overheads: Overheads, room: Budget | None = None, scale: float = 1.0) -> Roofline:
    """The figures of one replica; ``room`` where its memory was budgeted already."""
    model, gpu, tp = replica.model, replica.gpu, replica.tp
    room = room or budget(replica)
    bandwidth = gpu.bandwidth * overheads.bandwidth_share
    flops = gpu.flops[replica.quant.arithmetic] * overheads.flops_share * tp * replica.pp
    experts = expert_bytes(model, replica.quant)
    layer = overheads.layer_s + (overheads.sum_s if tp > 1 else 0.0) + (overheads.experts_s if model.experts else 0.0)
    sent = 8.0 * model.hidden * model.layers * (tp - 1) / tp  # two sums a layer, 2 bytes, there and back
    return Roofline(
        kv_tokens=room.kv_tokens,
        max_seqs=replica.max_seqs,
        max_batched_tokens=replica.max_batched_tokens,
        request_s=overheads.request_s,
        fixed_s=overheads.step_s + model.layers * layer,
        seq_s=overheads.seq_s,
        dense_read_s=(weight_bytes(model, replica.quant) - experts) / tp / bandwidth,
        expert_read_s=experts / tp / replica.ranks / bandwidth,
        miss=(1 - model.experts_per_token / model.experts) ** replica.ranks if model.experts else 1.0,
        token_s=2 * model.active_params / flops + sent / _link(replica) / replica.pp,
        kv_read_s=kv_bytes_per_token(replica) / bandwidth,
        pair_s=4.0 * _attended(replica) / (gpu.flops["bf16"] * overheads.flops_share * tp * replica.pp),
        scale=scale,
    )


def _link(replica: Replica) -> float:
    """Bytes a second that each GPU has to its neighbours; without NVLink more than two are in each other's way."""
    link = replica.gpu.link
    return link if link > HOST_LINK else link * min(1.0, 2 / replica.tp) ** CROWDING


def _attended(replica: Replica) -> float:
    """Products of one pair of tokens: every head's key and value in every layer that keeps the whole context."""
    model = replica.model
    width = model.mla_rank + model.mla_rope if model.mla_rank else model.head_dim
    return float(model.heads * width * model.full_layers)
