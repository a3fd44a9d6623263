"""What a steady load makes of one replica's steps: time per token, time to the first one, throughput.

The benchmarks that figures are published from load an engine in five ways; each is worked out here in closed form from
the same :class:`~cluster.latency.timing.EngineTiming` that the simulator replays step by step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cluster.latency.timing import EngineTiming, Step

_SETTLED = 30
_CROWDED = 0.95


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean lengths of what is asked and answered, in tokens."""

    prompt: float
    output: float
    cached: float = 0.0
    """Share of the prompt that the prefix cache holds."""

    @property
    def computed(self) -> float:
        """Prompt tokens that must be computed."""
        return max(1.0, self.prompt * (1 - self.cached))


@dataclass(frozen=True, slots=True)
class Pace:
    """How a replica does under a load; seconds, and tokens a second."""

    running: float
    """Sequences in a batch."""
    decode_s: float
    """A step that only decodes."""
    prefill_s: float
    """What one prompt adds to the steps it is computed in."""
    tpot_s: float
    ttft_s: float
    wait_s: float
    """The part of ``ttft_s`` before its own computing begins."""
    total_s: float
    """Until everything that came at once is answered."""
    throughput: float
    """Output tokens a second."""
    busy: float
    """Share of time that goes to prompts."""
    alone_s: float
    """A prompt's own computing while nothing else runs."""
    rush_s: float
    """What a caller waits for the others' prompts when all running ones come at once."""


def room(timing: EngineTiming, lengths: Lengths) -> float:
    """Sequences that run at a time at most: those allowed, and those whose KV cache fits."""
    return max(1.0, min(timing.max_seqs, timing.kv_tokens / (lengths.prompt + lengths.output)))


def closed(timing: EngineTiming, lengths: Lengths, callers: float) -> Pace:
    """``callers`` of which each sends its next request when it has its answer."""
    running = min(max(1.0, callers), room(timing, lengths))
    decode, prefill = _steps(timing, lengths, running)
    tpot = decode + max(0.0, running - 1) * prefill / lengths.output
    busy = min(_CROWDED, running * prefill / (lengths.output * decode + running * prefill))
    answer = lengths.output * tpot + prefill
    beside = decode * 1.5 * (1 - 1 / running)  # half a step until the next one begins, and what else that one computes
    wait = beside + busy / (2 * (1 - busy)) * prefill + max(0.0, callers - running) / running * answer
    ttft = timing.request_s + prefill + wait
    throughput = running / (tpot + prefill / lengths.output)
    single, rush = _prefill(timing, lengths, 0), (running - 1) / 2 * shared(timing, lengths)
    return Pace(running, decode, prefill, tpot, ttft, wait, answer, throughput, busy, single, rush)


def opened(timing: EngineTiming, lengths: Lengths, rate: float) -> Pace:
    """``rate`` requests a second, whoever waits; as many run as by Little's law, those beyond the room wait."""
    most = room(timing, lengths)
    running = 1.0
    for _ in range(_SETTLED):
        pace = closed(timing, lengths, running)
        wanted = min(most, max(1e-3, rate * pace.total_s))
        running = math.sqrt(running * max(1.0, wanted))
    return closed(timing, lengths, running)


def burst(timing: EngineTiming, lengths: Lengths, requests: float) -> Pace:
    """``requests`` sent at once; what does not fit comes in waves."""
    requests = max(1.0, requests)
    running = min(requests, room(timing, lengths))
    decode, prefill = _steps(timing, lengths, running)
    first = shared(timing, lengths)
    waves = requests / running
    # In a wave each sequence waits on average for half of the others' prompts before its first token, half after.
    tpot = decode + max(0.0, running - 1) / 2 * first / lengths.output
    wave = running * first + lengths.output * decode
    wait = max(0.0, running - 1) / 2 * first + (waves - 1) / 2 * wave
    total = timing.request_s + waves * wave
    busy = running * first / wave
    ttft = timing.request_s + first + wait
    throughput = requests * lengths.output / total
    single = _prefill(timing, lengths, 0)
    return Pace(running, decode, prefill, tpot, ttft, wait, total, throughput, busy, single, wait)


def shared(timing: EngineTiming, lengths: Lengths) -> float:
    """Seconds that a prompt takes when nothing decodes and others share its steps: its part of full steps."""
    chunk = float(timing.max_batched_tokens)
    full = timing.step_s(Step(int(chunk), int(chunk * lengths.prompt / 2), 0, 0)) / chunk * lengths.computed
    return min(full, _prefill(timing, lengths, 0))


def _steps(timing: EngineTiming, lengths: Lengths, running: float) -> tuple[float, float]:
    """A step that only decodes, and what one prompt adds."""
    batch = max(1, round(running))
    context = int(batch * (lengths.prompt + lengths.output / 2))
    return timing.step_s(Step(0, 0, batch, context)), _prefill(timing, lengths, batch)


def _prefill(timing: EngineTiming, lengths: Lengths, batch: int) -> float:
    """What one prompt adds to steps in which ``batch`` sequences decode."""
    context = int(batch * (lengths.prompt + lengths.output / 2))
    without = timing.step_s(Step(0, 0, batch, context)) if batch else 0.0
    room_for = max(16, timing.max_batched_tokens - batch)
    steps = math.ceil(lengths.computed / room_for)
    chunk = lengths.computed / steps
    pairs = lengths.prompt * lengths.computed / 2 / steps
    return steps * (timing.step_s(Step(max(1, int(chunk)), int(pairs), batch, context)) - without)
