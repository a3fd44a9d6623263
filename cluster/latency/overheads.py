"""What engines add to the roofline: the shares of a GPU that they reach, and fixed costs."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Overheads:
    """Fitted figures of one engine."""

    bandwidth_share: float = 0.95
    """Of the memory bandwidth on the data sheet."""
    flops_share: float = 0.39
    """Of the arithmetic on the data sheet."""
    step_s: float = 0.74e-3
    """Of every step: scheduling, launching, copying tokens out."""
    layer_s: float = 36e-6
    """Of every layer in a step: kernels too small to fill the GPU."""
    sum_s: float = 20e-6
    """Of every layer with tensor parallelism: two sums over the GPUs."""
    experts_s: float = 38e-6
    """Of every layer with experts, besides: choosing them, and sorting tokens by them, there and back."""
    seq_s: float = 39e-6
    """Of every sequence in a step: sampling and detokenizing."""
    request_s: float = 0.015
    """Of every request: parsing, tokenizing, the first event's way out."""
    start_s: float = 0.017
    """What a first token takes longer in published runs of some hundred requests: kernels that are built, clients on
    the same machine. Not part of a step, and not of a fleet that has been running for a while."""
    start_share: float = 0.16
    """Share of the rush at the start that shows in the mean of such a run."""
    start_steps: float = 5.9
    """Steps that pass there until a first token has come out, besides its own: on the way in, in the batch, and out."""
    run: float = math.inf
    """Requests of a published run, where they are not many times its callers: towards its end fewer and fewer ask."""


OVERHEADS = {
    "vllm": Overheads(),
    "sglang": Overheads(0.95, 0.95, 1.5e-3, 17e-6, 15e-6, 71e-6, 37e-6, 0.02, 0.095, 1.17, 10.6),
    "trtllm": Overheads(0.9, 0.55, 0.72e-3, 29e-6, 22e-6, 43e-6, 20e-6, 0.012, 0.081, 0.16, 6.4),
    "vllm-2024": Overheads(0.75, 0.85, 1e-3, 13e-6, 55e-6, 38e-6, 89e-6),
    "vllm-2024-served": Overheads(0.95, 0.36, 6.8e-3, 77e-6, 410e-6, 1e-3, 300e-6, run=1400),
    "trtllm-2024": Overheads(0.85, 0.49, 0.11e-3, 39e-6, 67e-6, 8e-6, 12e-6, 0.012),
}
"""By engine and, where it made a difference, era; fitted by ``benchmarks/lab/capacity_overheads.py``."""

_NEW = 2025.0


def overheads(engine: str, year: float = 0.0, *, served: bool = True) -> Overheads:
    """Those of an engine; ``year`` 0 means a current version. One that is not known is taken for vLLM.

    ``served`` over HTTP: until 2025 vLLM's server and scheduler shared a process, and every token waited for both.
    """
    return OVERHEADS[era(engine, year, served=served)]


def era(engine: str, year: float = 0.0, *, served: bool = True) -> str:
    """Its name in :data:`OVERHEADS`; as above."""
    dated = f"{engine}-2024" if early(year) else engine
    known = (f"{dated}-served" if served else dated, dated, engine, "vllm")
    return next(name for name in known if name in OVERHEADS)


def early(year: float) -> bool:
    """Whether engines of then are none of the current ones; 0 is not known, and taken for today."""
    return 0 < year < _NEW
