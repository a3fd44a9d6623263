"""How long a simulated engine's steps take where no GPU is named: the same everywhere, easy to compute in a test."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.latency.timing import Step


@dataclass(frozen=True, slots=True)
class Steady:
    """An :class:`~cluster.latency.timing.EngineTiming` whose steps have a fixed part and one per prompt token."""

    kv_tokens: int = 1_000_000
    max_seqs: int = 1024
    max_batched_tokens: int = 8192
    request_s: float = 0.0
    """Seconds before a request's first step."""
    token_s: float = 0.02
    """Seconds of a step, and so between two tokens of an answer: 50 tokens a second."""
    prompt_token_s: float = 0.00005
    """Seconds more for each prompt token in it: 20,000 tokens a second."""

    def step_s(self, step: Step) -> float:
        """Seconds of one step."""
        return self.token_s + self.prompt_token_s * step.prefill_tokens
