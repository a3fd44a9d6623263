"""An engine's timing, made quick to ask: the seconds of many decoding steps at once.

A step that only decodes takes a constant and time in proportion to the KV cache that it reads: ``a + b · context`` for
a given batch. So the seconds of ``k`` steps, in which the context grows by the batch each time, have a closed form,
and so has the number of steps that fit into given seconds.
"""

from __future__ import annotations

from math import ceil, sqrt

from cluster.latency.timing import EngineTiming, Step


class Pace:
    """What :class:`cluster.simulate.engine.Engine` asks of a timing; shared by the replicas of a model."""

    def __init__(self, timing: EngineTiming) -> None:
        """Nothing is computed before it is needed."""
        self.kv_tokens = timing.kv_tokens
        self.max_seqs = timing.max_seqs
        self.max_batched_tokens = timing.max_batched_tokens
        self.request_s = timing.request_s
        self._timing = timing
        self._lines: dict[int, tuple[float, float]] = {}

    def line(self, seqs: int) -> tuple[float, float]:
        """``a`` and ``b`` of a decoding step of ``seqs`` sequences, in seconds and seconds per token of context."""
        known = self._lines.get(seqs)
        if known is None:
            low, high = seqs, max(self.kv_tokens, seqs + 1)
            at_low, at_high = (self._timing.step_s(Step(0, 0, seqs, context)) for context in (low, high))
            slope = (at_high - at_low) / (high - low)
            known = self._lines[seqs] = at_low - slope * low, slope
        return known

    def decoding_s(self, seqs: int, context: int, steps: int) -> float:
        """Seconds of ``steps`` decoding steps that begin with ``context`` tokens of KV cache."""
        a, b = self.line(seqs)
        return steps * (a + b * (context + seqs * (steps - 1) / 2))

    def steps_until(self, seqs: int, context: int, seconds: float) -> int:
        """The fewest steps, at least 1, that take ``seconds`` or more."""
        a, b = self.line(seqs)
        curve = b * seqs / 2
        slope = a + b * context - curve
        root = 2 * seconds / (slope + sqrt(max(0.0, slope * slope + 4 * curve * seconds)))
        return max(1, ceil(root - 1e-9))

    def mixed_s(self, step: Step) -> float:
        """Seconds of one step that computes prompts, too."""
        return self._timing.step_s(step)
