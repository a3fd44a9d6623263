"""The same engine computed one step at a time, with nothing clever in it: what the quick one is held against."""

from __future__ import annotations

from dataclasses import dataclass, field

from cluster.latency.timing import Step
from cluster.simulate.calls import NEVER, Calls


@dataclass(frozen=True, slots=True)
class Plain:
    """A timing whose seconds are a sum of products."""

    kv_tokens: int = 400_000
    max_seqs: int = 256
    max_batched_tokens: int = 8192
    request_s: float = 0.0
    step_base_s: float = 0.008

    def step_s(self, step: Step) -> float:
        """Weights once, then so much a token."""
        read = 4e-8 * step.decode_context + 1e-9 * step.prefill_context
        return self.step_base_s + 2e-5 * step.prefill_tokens + 1e-5 * step.decode_seqs + read


@dataclass(slots=True)
class Sequence:
    """A request on an engine."""

    request: int
    prompt: int
    left: int
    done: int = 0
    """Prompt tokens computed or cached."""
    grown: int = 0
    """Tokens that were generated since the prompt was computed; the first of them included."""

    @property
    def context(self) -> int:
        """KV that it holds, a prompt's from its admission on."""
        return self.prompt + max(0, self.grown - 1)


@dataclass
class Stepwise:
    """Carries out steps until all is answered."""

    timing: Plain
    calls: Calls
    waiting: list[Sequence] = field(default_factory=list)
    running: list[Sequence] = field(default_factory=list)

    def run(self) -> tuple[list[float], list[float]]:
        """When each request had its first and its last token."""
        calls, now, came = self.calls, 0.0, 0
        first, end = [NEVER] * len(calls), [NEVER] * len(calls)
        while came < len(calls) or self.waiting or self.running:
            if not self.waiting and not self.running:
                now = max(now, calls.arrival[came])
            while came < len(calls) and calls.arrival[came] <= now:
                self.waiting.append(Sequence(came, calls.prompt[came], calls.output[came]))
                came += 1
            now = self._step(now, first, end)
        return first, end

    def _step(self, now: float, first: list[float], end: list[float]) -> float:
        decoding = [sequence for sequence in self.running if sequence.grown]
        while sum(sequence.context for sequence in self.running) + len(decoding) > self.timing.kv_tokens:
            self._preempt(self.running.pop())
            decoding = [sequence for sequence in self.running if sequence.grown]
        context = sum(sequence.context for sequence in decoding)
        budget = self.timing.max_batched_tokens - len(decoding)
        chunks = [(sequence, 0) for sequence in self.running if not sequence.grown]
        taken: list[tuple[Sequence, int, int]] = []
        for sequence, _ in chunks:
            size = min(budget, sequence.prompt - sequence.done)
            taken.append((sequence, size, sequence.done))
            budget -= size
        while self.waiting and budget > 0 and len(self.running) < self.timing.max_seqs:
            sequence = self.waiting[0]
            used = sum(other.context for other in self.running)
            if used + len(decoding) + sequence.prompt > self.timing.kv_tokens:
                break
            self.running.append(self.waiting.pop(0))
            sequence.done = self.calls.cached[sequence.request]
            size = min(budget, sequence.prompt - sequence.done)
            taken.append((sequence, size, sequence.done))
            budget -= size
        tokens = sum(size for _, size, _ in taken)
        before = sum(size * done for _, size, done in taken)
        now += self.timing.step_s(Step(tokens, before, len(decoding), context))
        for sequence, size, _ in taken:
            sequence.done += size
        for sequence in list(self.running):
            if sequence.done == sequence.prompt:
                sequence.grown += 1
                sequence.left -= 1
                first[sequence.request] = min(first[sequence.request], now)
                if not sequence.left:
                    end[sequence.request] = now
                    self.running.remove(sequence)
        return now

    def _preempt(self, sequence: Sequence) -> None:
        sequence.prompt += sequence.grown
        sequence.grown = sequence.done = 0
        self.waiting.insert(0, sequence)
