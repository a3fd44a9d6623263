"""What engines add to the roofline: the shares of a GPU that they reach, and fixed costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overheads:
    """Fitted figures of one engine."""

    bandwidth_share: float = 0.75
    """Of the memory bandwidth on the data sheet."""
    flops_share: float = 0.55
    """Of the arithmetic on the data sheet."""
    step_s: float = 1e-3
    """Of every step: scheduling, launching, copying tokens out."""
    layer_s: float = 12e-6
    """Of every layer in a step: kernels too small to fill the GPU."""
    sum_s: float = 16e-6
    """Of every layer with tensor parallelism: two sums over the GPUs."""
    seq_s: float = 4e-6
    """Of every sequence in a step: sampling and detokenizing."""
    request_s: float = 0.02
    """Of every request: parsing, tokenizing, the first event's way out."""


OVERHEADS = {
    "vllm": Overheads(),
    "sglang": Overheads(step_s=0.8e-3),
    "trtllm": Overheads(bandwidth_share=0.8, step_s=0.5e-3, layer_s=9e-6, request_s=0.012),
}


def overheads(engine: str) -> Overheads:
    """Those of an engine; an unknown one is taken for vLLM, whose figures are the most cautious."""
    return OVERHEADS.get(engine, OVERHEADS["vllm"])
