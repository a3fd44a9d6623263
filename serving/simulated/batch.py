"""Continuous batching as vLLM's scheduler does it, without a clock: which sequence computes how much in the next step.

A step gives every running sequence its next token or the next piece of its prompt, then lets in whoever waited longest,
within ``max_batched_tokens``, ``max_seqs`` and the KV cache. Where the cache is full, the sequence that came in last
gives up its place and begins anew later. The neighbour :mod:`serving.simulated.engine` knows how long steps take.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from cluster.latency.timing import EngineTiming, Step
from serving.simulated.blocks import BLOCK, Blocks


@dataclass(slots=True, eq=False)
class Sequence:
    """A prompt and the answer to it, token by token."""

    prompt: list[str]
    """Tokens of the prompt; forgotten but for the last, unfull block once their keys are known."""
    answer: int
    """Tokens to produce; 0 for an embedding."""
    said: Callable[[int], str]
    """The answer's token at an index."""
    salt: int = 0
    """Sequences share cached blocks only with those that have the same."""
    produced: int = 0
    computed: int = 0
    """Tokens whose keys and values are in the cache, or will be after this step."""
    cached: int = 0
    """Of the prompt, those that the cache had."""
    preempted: int = 0
    arrived: float = 0.0
    admitted: float = -1.0
    first: float = -1.0
    """When its first token came, in simulated seconds."""
    last: float = -1.0
    prompt_tokens: int = field(init=False)
    held: list[int] = field(init=False, default_factory=list)
    has_open: bool = field(init=False, default=False)
    scheduled: int = field(init=False, default=0)
    """Tokens that the current step computes."""
    _keys: list[int] = field(init=False, default_factory=list)
    _start: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        """Know the prompt's blocks by their content."""
        self.prompt_tokens = len(self.prompt)
        full = self.prompt_tokens // BLOCK
        self.keys(full)
        self._start = full * BLOCK
        self.prompt = self.prompt[self._start :]

    @property
    def total(self) -> int:
        """Tokens that there are so far."""
        return self.prompt_tokens + self.produced

    @property
    def is_done(self) -> bool:
        """Whether all of the answer is there."""
        return self.produced >= self.answer and self.computed >= self.prompt_tokens

    def keys(self, count: int) -> list[int]:
        """What the first ``count`` full blocks are known by."""
        keys = self._keys
        while len(keys) < count:
            begin = len(keys) * BLOCK
            before = keys[-1] if keys else self.salt
            keys.append(hash((before, *(self._token(place) for place in range(begin, begin + BLOCK)))))
        return keys[:count]

    def _token(self, place: int) -> str:
        if place < self.prompt_tokens:
            return self.prompt[place - self._start]
        return self.said(place - self.prompt_tokens)


class Batch:
    """The sequences of one engine: those that wait and those that run."""

    def __init__(self, timing: EngineTiming) -> None:
        """Empty; ``timing`` says what fits."""
        self.blocks = Blocks(timing.kv_tokens)
        self.waiting: OrderedDict[Sequence, None] = OrderedDict()
        self.running: dict[Sequence, None] = {}
        self._most_seqs = timing.max_seqs
        self._most_tokens = timing.max_batched_tokens
        self.preemptions = 0

    def add(self, sequence: Sequence) -> None:
        """Let it wait behind all others."""
        self.waiting[sequence] = None

    def drop(self, sequence: Sequence) -> None:
        """Forget it at once, with all that it holds; whatever it is doing."""
        self.waiting.pop(sequence, None)
        if sequence in self.running:
            del self.running[sequence]
            self._release(sequence)

    def begin(self, now: float) -> Step | None:
        """Decide on a step; None when there is nothing to do."""
        budget, preempted = self._go_on(self._most_tokens)
        if not preempted:
            self._admit(budget, now)
        return self._step() if self.running else None

    def end(self) -> list[Sequence]:
        """The step is over: those that have a token more; those that are done are gone from the batch."""
        produced = []
        for sequence in list(self.running):
            sequence.computed += sequence.scheduled
            if sequence.scheduled and sequence.computed >= sequence.total:
                sequence.produced += sequence.answer > 0
                produced.append(sequence)
                if sequence.is_done:
                    self.drop(sequence)
        return produced

    def _go_on(self, budget: int) -> tuple[int, bool]:
        before = self.preemptions
        for sequence in list(self.running):
            if sequence not in self.running:
                break  # it and all after it had to give way
            count = min(sequence.total - sequence.computed, budget)
            while not self._grow(sequence, sequence.computed + count):
                victim = next(reversed(self.running))
                self._preempt(victim)
                if victim is sequence:
                    count = 0
                    break
            sequence.scheduled = count
            budget -= count
        return budget, self.preemptions > before

    def _admit(self, budget: int, now: float) -> None:
        while self.waiting and budget and len(self.running) < self._most_seqs:
            sequence = next(iter(self.waiting))
            # The last token is always computed: its output is the first new token.
            known = self.blocks.known(sequence.keys((sequence.total - 1) // BLOCK))
            count = min(sequence.total - known * BLOCK, budget)
            if not self._grow(sequence, known * BLOCK + count):
                return
            del self.waiting[sequence]
            self.running[sequence] = None
            sequence.computed, sequence.scheduled = known * BLOCK, count
            if sequence.admitted < 0:
                sequence.admitted, sequence.cached = max(now, sequence.arrived), known * BLOCK
            budget -= count

    def _grow(self, sequence: Sequence, upto: int) -> bool:
        """Hold the blocks of so many tokens; False, and nothing is changed, when there are too few."""
        full, part = divmod(upto, BLOCK)
        if full == len(sequence.held) and sequence.has_open == bool(part):
            return True
        fresh = sequence.keys(full)[len(sequence.held) :]
        if self.blocks.cost(fresh) + bool(part) - sequence.has_open > self.blocks.free:
            return False
        if sequence.has_open:
            self.blocks.close()
        for key in fresh:
            self.blocks.hold(key)
        sequence.held += fresh
        sequence.has_open = bool(part)
        if part:
            self.blocks.open()
        return True

    def _preempt(self, sequence: Sequence) -> None:
        self.drop(sequence)
        sequence.computed = sequence.scheduled = 0
        sequence.preempted += 1
        self.preemptions += 1
        self.waiting[sequence] = None
        self.waiting.move_to_end(sequence, last=False)

    def _release(self, sequence: Sequence) -> None:
        self.blocks.release(sequence.held)
        sequence.held = []
        if sequence.has_open:
            self.blocks.close()
            sequence.has_open = False

    def _step(self) -> Step:
        prefill = context = seqs = cache = 0
        for sequence in self.running:
            if sequence.produced and sequence.scheduled == 1:
                seqs += 1
                cache += sequence.prompt_tokens + sequence.produced
            else:
                prefill += sequence.scheduled
                context += sequence.scheduled * sequence.computed
        return Step(prefill_tokens=prefill, prefill_context=context, decode_seqs=seqs, decode_context=cache)
