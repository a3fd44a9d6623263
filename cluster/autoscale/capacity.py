"""What one replica takes at the promised latencies, as replica-seconds a token: the unit in which load adds up.

The highest rate of the expected mix comes from :mod:`cluster.steady`. It is split over prompt and output tokens by what
each costs the engine, so that longer prompts move the load although the requests are as many. Short answers to long
prompts break their promises long before long answers do, so the same is worked out for other mixes of the expected
requests as well. What this gets wrong, :mod:`.slo` learns from late answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from cluster.demand import Requests
from cluster.demand.lengths import Floats
from cluster.errors import UsageError
from cluster.latency.timing import EngineTiming, Step
from cluster.spec import Slo
from cluster.steady import State, Work, capacity, in_time

_TILTS: Final = np.linspace(-1, 1, 9)
"""Powers of (prompt / answer) by which the expected requests are weighed for other mixes."""
_LOADS: Final = 60
_MOST: Final = 0.97
"""Share of a replica's limit up to which late requests are worked out."""


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
    mean_prompt: float = 0.0
    """Tokens of an expected prompt that must be computed."""
    mixes: Sequence[tuple[float, float, float]] = ()
    """Other mixes by rising (prompt tokens / output tokens): that ratio, and replica-seconds of a token of each."""
    late: Sequence[tuple[float, float]] = ()
    """By rising load of one replica, 1 where promises just hold: that load, and the share of requests that are late."""

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
    late = _late(work, slo, found.rate) if slo.latencies else ()
    return replace(_split(timing, requests, work, found.rate), mixes=_mixes(timing, requests, slo), late=late)


def _split(timing: EngineTiming, requests: Requests, work: Work, rate: float) -> Capacity:
    """A rate as replica-seconds of prompt and output tokens."""
    new = max(1.0, float((requests.prompt_tokens - requests.cached_tokens).mean()))
    output = float(requests.output_tokens.mean())
    batch = max(1, round(float(State.at(work, np.array([rate])).batch[0])))
    context = round(batch * float(requests.prompt_tokens.mean() + output / 2))
    decode_s = timing.step_s(Step(0, 0, batch, context))
    prompt_s = timing.step_s(Step(round(new), 0, batch, context)) - decode_s
    whole = rate * (prompt_s + output * decode_s / batch)
    return Capacity(prompt_s / whole / new, decode_s / batch / whole, 1 / rate, output, new)


def _mixes(timing: EngineTiming, requests: Requests, slo: Slo) -> list[tuple[float, float, float]]:
    """The same requests with other weights, as far as one replica holds the promises for them."""
    found = []
    ratio = np.maximum(1.0, requests.prompt_tokens - requests.cached_tokens) / np.maximum(1.0, requests.output_tokens)
    for power in _TILTS:
        mix = _weighed(requests, ratio**power)
        work = Work.of(timing, mix)
        if rate := capacity(work, slo).rate:
            one = _split(timing, mix, work, rate)
            found.append((one.mean_prompt / one.mean_output, one.prompt_token_s, one.output_token_s))
    return found


def _weighed(requests: Requests, weights: Floats) -> Requests:
    """As many requests, each as often as its weight says."""
    count = len(weights)
    shares = np.cumsum(weights) / weights.sum()
    at = np.minimum(np.searchsorted(shares, (np.arange(count) + 0.5) / count), count - 1)
    return Requests(requests.prompt_tokens[at], requests.output_tokens[at], requests.cached_tokens[at])


def _late(work: Work, slo: Slo, rate: float) -> list[tuple[float, float]]:
    rates = np.linspace(0, _MOST * work.highest, _LOADS + 1)[1:]
    shares = np.maximum.accumulate(1 - in_time(State.at(work, rates), slo))
    return list(zip((rates / rate).tolist(), shares.tolist(), strict=True))
