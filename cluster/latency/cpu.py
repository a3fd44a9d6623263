"""Timing of a small model on a CPU, as the demo fleet runs it: straight lines fitted to vLLM on two cores.

Machines differ; ``freehold calibrate`` fits one's own. There is no data for large models on CPUs.
"""

from __future__ import annotations

from dataclasses import dataclass

from cluster.latency.timing import Step

TINY = 0.02e9
"""Parameters of the largest model that the lines hold for: what a step costs then is not arithmetic."""


@dataclass(frozen=True, slots=True)
class CpuTiming:
    """Timing of one replica; implements :class:`~cluster.latency.timing.EngineTiming`."""

    kv_tokens: int
    max_seqs: int
    max_batched_tokens: int
    request_s: float = 0.014
    fixed_s: float = 0.0024
    """Of every step: scheduler, Python, operators of eager mode."""
    seq_s: float = 0.00015
    """Per sequence that decodes."""
    token_s: float = 0.00003
    """Per prompt token."""
    scale: float = 1.0

    def step_s(self, step: Step) -> float:
        """Seconds of one step."""
        if not step.prefill_tokens + step.decode_seqs:
            return 0.0
        return self.scale * (self.fixed_s + self.seq_s * step.decode_seqs + self.token_s * step.prefill_tokens)
