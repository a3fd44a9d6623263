"""What engines add to the roofline: the shares of a GPU that they reach, and fixed costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overheads:
    """Fitted figures of one engine."""

    bandwidth_share: float = 0.71
    """Of the memory bandwidth on the data sheet."""
    flops_share: float = 0.49
    """Of the arithmetic on the data sheet."""
    step_s: float = 2.1e-3
    """Of every step: scheduling, launching, copying tokens out."""
    layer_s: float = 17e-6
    """Of every layer in a step: kernels too small to fill the GPU."""
    sum_s: float = 26e-6
    """Of every layer with tensor parallelism: two sums over the GPUs."""
    seq_s: float = 26e-6
    """Of every sequence in a step: sampling and detokenizing."""
    request_s: float = 0.015
    """Of every request: parsing, tokenizing, the first event's way out."""
    start_s: float = 0.085
    """What a first token takes longer in published runs of some hundred requests: kernels that are built, clients on
    the same machine. Not part of a step, and not of a fleet that has been running for a while."""
    start_share: float = 0.3
    """Share of the rush at the start that shows in the mean of such a run."""


OVERHEADS = {
    "vllm": Overheads(),
    "sglang": Overheads(0.95, 0.7, 0.66e-3, 66e-6, 55e-6, 25e-6, 0.02, 0.3, 0.9),
    "trtllm": Overheads(0.9, 0.62, 2.4e-3, 12e-6, 26e-6, 20e-6, 0.012, 0.165, 0.23),
    "vllm-2024": Overheads(0.8, 0.18, 1.5e-3, 1e-6, 46e-6, 85e-6, 0.015),
    "vllm-2024-served": Overheads(0.8, 0.18, 14e-3, 1e-6, 46e-6, 250e-6, 0.015),
    "trtllm-2024": Overheads(0.75, 0.46, 0.08e-3, 18e-6, 74e-6, 8e-6, 0.012),
}
"""By engine and, where it made a difference, era; fitted by ``benchmarks/lab/capacity_overheads.py``."""

_NEW = 2025.0


def overheads(engine: str, year: float = 0.0, *, served: bool = True) -> Overheads:
    """Those of an engine; ``year`` 0 means a current version. One that is not known is taken for vLLM.

    ``served`` over HTTP: until 2025 vLLM's server and scheduler shared a process, and every token waited for both.
    """
    era = f"{engine}-2024" if 0 < year < _NEW else engine
    known = (f"{era}-served" if served else era, era, engine, "vllm")
    return next(OVERHEADS[name] for name in known if name in OVERHEADS)
