"""A plain engine for arithmetic that can be checked by hand, and its simulation request by request."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cluster.demand import Mix
from cluster.latency.timing import Step
from cluster.simulate.calls import NEVER, Calls
from cluster.simulate.engine import Engine
from cluster.simulate.pace import Pace


@dataclass(frozen=True, slots=True)
class PlainTiming:
    """12 ms to read the weights, 50 µs to compute a token, whichever is longer; 2 ms for each step besides."""

    kv_tokens: int = 400_000
    max_seqs: int = 256
    max_batched_tokens: int = 8192
    request_s: float = 0.01

    def step_s(self, step: Step) -> float:
        """Seconds of one step."""
        computing = 5e-5 * (step.prefill_tokens + step.decode_seqs) + 1e-9 * step.prefill_context
        return max(0.012, computing) + 0.002 + 2e-5 * step.decode_seqs + 1.5e-8 * step.decode_context


def simulated(timing: PlainTiming, mix: Mix, rate: float, count: int) -> dict[str, NDArray[np.float64]]:
    """TTFT, TPOT and whole answers of ``count`` Poisson arrivals, the first fifth left out."""
    rng = np.random.default_rng(1)
    arrival, requests = np.cumsum(rng.exponential(1 / rate, count)), mix.draw(count, rng)
    calls = Calls.of(arrival, requests.prompt_tokens, requests.output_tokens, requests.cached_tokens)
    engine = Engine(Pace(timing), calls)
    for place, when in enumerate(arrival):
        while engine.due <= when:
            engine.advance()
        engine.offer(place, float(when))
    while engine.due < NEVER:
        engine.advance()
    kept = (np.arange(count) > count // 5) & (requests.output_tokens > 1)
    first, end = np.array(calls.first)[kept], np.array(calls.end)[kept]
    began = arrival[kept] - timing.request_s
    return {"ttft": first - began, "tpot": (end - first) / (requests.output_tokens[kept] - 1), "e2e": end - began}
