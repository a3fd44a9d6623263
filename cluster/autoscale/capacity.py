"""What one replica takes at the promised latencies, as replica-seconds a token: the unit in which load adds up.

The highest rate of the expected mix comes from :mod:`cluster.steady`. It is split over prompt and output tokens by what
each costs the engine, so that longer prompts move the load although the requests are as many. What this gets wrong for
a mix that nobody expected, :mod:`.slo` learns from late answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cluster.demand import Requests
from cluster.errors import UsageError
from cluster.latency.timing import EngineTiming, Step
from cluster.spec import Slo
from cluster.steady import State, Work, capacity


@dataclass(frozen=True, slots=True)
class Capacity:
    """One replica at the edge of its promises."""

    prompt_token_s: float
    """Replica-seconds of a prompt token that must be computed."""
    output_token_s: float
    """Replica-seconds of a token of an answer."""
    request_s: float
    """Replica-seconds of an expected request."""
    mean_output: float
    """Tokens of an expected answer."""

    def load(self, prompt_tokens: float, output_tokens: float) -> float:
        """Replica-seconds of so many tokens."""
        return prompt_tokens * self.prompt_token_s + output_tokens * self.output_token_s


def capacity_of(timing: EngineTiming, requests: Requests, slo: Slo) -> Capacity:
    """Of a replica for a population of requests; raises UsageError where not even one at a time holds the promises."""
    work = Work.of(timing, requests)
    found = capacity(work, slo)
    if not found.rate:
        msg = f"slo.{found.broken}: no load is light enough to hold it on one replica; raise it, or use faster GPUs"
        raise UsageError(msg)
    new = max(1.0, float((requests.prompt_tokens - requests.cached_tokens).mean()))
    output = float(requests.output_tokens.mean())
    batch = max(1, round(float(State.at(work, np.array([found.rate])).batch[0])))
    context = round(batch * float(requests.prompt_tokens.mean() + output / 2))
    decode_s = timing.step_s(Step(0, 0, batch, context))
    prompt_s = timing.step_s(Step(round(new), 0, batch, context)) - decode_s
    whole = found.rate * (prompt_s + output * decode_s / batch)
    return Capacity(prompt_s / whole / new, decode_s / batch / whole, 1 / found.rate, output)
