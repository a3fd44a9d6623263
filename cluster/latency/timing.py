"""What whoever imitates an engine must know of it: how long one step takes, and how much fits.

An engine with continuous batching works in steps. In a step it reads the weights once, computes a bounded number of
prompt tokens (chunked prefill), and one token for each sequence that decodes. The simulator, the simulated engine, the
planner and the autoscaler all ask one :class:`EngineTiming`, so that they agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of an engine computes, summed over its sequences."""

    prefill_tokens: int
    """Prompt tokens computed in this step, those in the prefix cache excluded."""
    prefill_context: int
    """Tokens before them that their attention reads: the sum over sequences of computed tokens x context before."""
    decode_seqs: int
    """Sequences that get one token each."""
    decode_context: int
    """Tokens of KV cache that those sequences read, all together."""


class EngineTiming(Protocol):
    """One replica of a model on stated GPUs, with stated engine arguments."""

    @property
    def kv_tokens(self) -> int:
        """Tokens of KV cache, all sequences together."""

    @property
    def max_seqs(self) -> int:
        """Sequences in one batch at most (vLLM's ``max_num_seqs``)."""

    @property
    def max_batched_tokens(self) -> int:
        """Tokens in one step at most (vLLM's ``max_num_batched_tokens``)."""

    @property
    def request_s(self) -> float:
        """Seconds that a request takes besides its steps: parsing, tokenizing, the first event's way out."""

    def step_s(self, step: Step) -> float:
        """Seconds that the engine takes for one step, scheduling included."""
