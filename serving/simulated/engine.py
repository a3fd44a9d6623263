"""A simulated engine: requests in, steps that take as long as they would, tokens out, and an end to all of it at once.

Time is simulated and given from outside, so the same engine runs at any speed, and in tests without any waiting. One
turn of :meth:`Engine._turn` serves all sequences; there is no task per request. What becomes of a token is
:mod:`serving.simulated.answers`' affair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Protocol

from cluster.latency.timing import EngineTiming, Step
from cluster.spec.traffic import Lengths
from serving.simulated.answers import Answer, Reply
from serving.simulated.asked import Ask, RefusedError
from serving.simulated.batch import Batch, Sequence
from serving.simulated.blocks import BLOCK
from serving.simulated.messages import Message
from serving.simulated.metrics import Metrics
from serving.simulated.pace import Steady
from serving.simulated.script import Script, write
from serving.simulated.text import said

LATE_S = 1.0
"""Simulated seconds that steps may be behind the clock and catch up; what is more than that is lost, and counted."""


class Clock(Protocol):
    """Simulated seconds."""

    def now(self) -> float:
        """What time it is."""

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call at a time, or as soon as possible after it."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What an engine pretends to be."""

    model: str = "simulated"
    """The name that it is asked by."""
    timing: EngineTiming = Steady()  # noqa: RUF009 - frozen
    """How long its steps take and what fits: 50 tokens a second, or ``cluster.latency.timing_of`` a fleet's model."""
    context_length: int = 8192
    """Prompt and answer together, in tokens."""
    answer_tokens: Lengths = Lengths(p50=150, p95=600)  # noqa: RUF009 - frozen
    """How long answers are that end by themselves; requests with ``ignore_eos`` go on to their limit."""
    adapters: tuple[str, ...] = ()
    """Names that it answers to besides, as an engine with LoRA adapters does."""
    prefix_caching: bool = True
    """Whether prompts that begin alike share their beginning; vLLM's ``enable_prefix_caching``."""
    speed: float = 1.0
    """How many times as fast as real its clock runs, where that is real time's."""

    @property
    def misfit(self) -> str:
        """Why vLLM would not start, and what to do; empty where it would."""
        room = self.timing.kv_tokens // BLOCK * BLOCK
        if room >= self.context_length:
            return ""
        return (
            f"the KV cache holds {room} tokens, less than one request of context_length {self.context_length} may "
            "need; lower context_length, or take more or larger GPUs"
        )


class Engine:
    """One replica."""

    def __init__(self, simulation: Simulation, clock: Clock, number: int = 0) -> None:
        """Idle, the ``number``-th of its model; raises ValueError where the longest request would not fit."""
        if simulation.misfit:
            raise ValueError(simulation.misfit)
        self.simulation = simulation
        self.batch = Batch(simulation.timing)
        self.metrics = Metrics(simulation.model, number, simulation.context_length, self.batch)
        self._clock = clock
        self._places: dict[Sequence, tuple[Answer, int]] = {}
        self._busy = False
        self._alone = count(1)

    @property
    def load(self) -> int:
        """Sequences that run or wait, those included that are still being read."""
        return len(self._places)

    def submit(self, ask: Ask, reply: Reply) -> Answer:
        """Take a request; its answer goes to ``reply``. Raises :class:`~serving.simulated.asked.RefusedError`."""
        now = self._clock.now()
        prompts = zip(ask.prompts, ask.texts, strict=True)
        choices = [choice for prompt, text in prompts for choice in self._choices(ask, prompt, text)]
        answer = (Message if ask.kind == "message" else Answer)(
            ask, {"model": ask.model or self.simulation.model}, choices, reply
        )
        for place, sequence in enumerate(answer.sequences):
            sequence.arrived = now
            self._places[sequence] = (answer, place)
        self._note(ask, answer)
        self._clock.at(now + self.simulation.timing.request_s, lambda: self._arrive(answer))
        return answer

    def abort(self, answer: Answer) -> None:
        """Its client has gone: what it held is free at once."""
        for sequence in answer.sequences:
            if self._places.pop(sequence, None):
                self.batch.drop(sequence)
                self.metrics.ended(sequence, "abort")

    def _choices(self, ask: Ask, prompt: list[str], text: str) -> list[tuple[Sequence, Script]]:
        most = self._most(ask, len(prompt))
        scripts = [write(ask, text, index, most, self.simulation.answer_tokens) for index in range(ask.n)]
        return [
            (Sequence(prompt, script.tokens, partial(said, script.start), self._salt(ask)), script)
            for script in scripts
        ]

    def _salt(self, ask: Ask) -> int:
        return hash((ask.salt, 0 if self.simulation.prefix_caching else next(self._alone)))

    def _most(self, ask: Ask, prompt: int) -> int:
        """Tokens that an answer may have."""
        longest = self.simulation.context_length
        if ask.kind == "embedding":
            _check(prompt, longest + 1)
            return 0
        if ask.max_tokens is not None and ask.max_tokens > longest:
            msg = (
                f"max_tokens={ask.max_tokens} cannot be greater than max_model_len={longest}. "
                f"Please request fewer output tokens. (parameter=max_tokens, value={ask.max_tokens})"
            )
            raise RefusedError(msg, "max_tokens")
        _check(prompt, longest)
        return longest - prompt if ask.max_tokens is None else min(ask.max_tokens, longest - prompt)

    def _note(self, ask: Ask, answer: Answer) -> None:
        histograms = self.metrics.histograms
        for sequence in answer.sequences:
            histograms["request_params_max_tokens"].observe(ask.max_tokens or sequence.answer)
        for _ in ask.prompts:
            histograms["request_params_n"].observe(ask.n)
            histograms["request_max_num_generation_tokens"].observe(ask.max_tokens or 0)

    def _arrive(self, answer: Answer) -> None:
        for sequence in answer.sequences:
            if sequence in self._places:
                self.batch.add(sequence)
        if not self._busy:
            self._begin(self._clock.now())

    def _begin(self, now: float) -> None:
        """Begin a step, if there is anything to do; one that comes a little late is made up for."""
        behind = self._clock.now() - now
        if behind > LATE_S:
            self.metrics.behind_s += behind
            now += behind
        step = self.batch.begin(now)
        self._busy = step is not None
        if step is not None:
            due = now + self.simulation.timing.step_s(step)
            self._clock.at(due, partial(self._turn, step, due))

    def _turn(self, step: Step, due: float) -> None:
        """End the step that is due, and begin the next one."""
        self.metrics.stepped(step.prefill_tokens + step.decode_seqs)
        self._spread(due)
        self._begin(due)

    def _spread(self, now: float) -> None:
        """Give the tokens of a step to their answers."""
        gaps: Counter[float] = Counter()
        tokens = 0
        for sequence in self.batch.end():
            if sequence.first < 0:
                sequence.first = max(now, sequence.arrived)
                self.metrics.began(sequence)
            else:
                gaps[sequence.last] += 1
            sequence.last = max(now, sequence.arrived)
            tokens += sequence.answer > 0
            answer, place = self._places[sequence]
            if sequence.is_done:
                del self._places[sequence]
                self.metrics.ended(sequence, answer.reason(place))
            answer.produced(place)
        self.metrics.counted["generation_tokens", ""] += tokens
        for last, times in gaps.items():
            self.metrics.histograms["inter_token_latency_seconds"].observe(now - last, times)


def _check(prompt: int, longest: int) -> None:
    if prompt >= longest:
        msg = (
            f"This model's maximum context length is {longest} tokens. However, your prompt contains at least "
            f"{prompt} input tokens, which exceeds this limit even without any output tokens. "
            f"Please reduce the length of the input prompt. (parameter=input_tokens, value={prompt})"
        )
        raise RefusedError(msg, "input_tokens")
