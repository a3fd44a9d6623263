"""How much slower than its timing a replica may turn out to be: the upper end of the latency model's 80 % interval.

The interval is that of measurements with a fixed number of callers, of which there are the most. Plans are sized at its
upper end, and never below the timing itself, which simulator and simulated engine go by, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cluster.demand import Requests
from cluster.latency.configuration import Configuration
from cluster.latency.features import physics
from cluster.latency.load import Lengths
from cluster.latency.predict import predict
from cluster.latency.timing import EngineTiming, Step
from cluster.memory import Replica
from cluster.spec import Slo

_BATCH: Final = 32
"""Sequences at which the interval is asked for; it hardly moves with them."""


@dataclass(frozen=True, slots=True)
class Margin:
    """Multiples of what the timing says."""

    step: float = 1.25
    """Of every step. The default is for CPUs, which the latency model has no interval for."""
    ttft: float = 1.25
    """Of time to first token, on top of ``step``: its measurements scatter more."""
    support: str = "this machine's CPU, roughly"
    """What the prediction rests on."""

    def tightened(self, slo: Slo) -> Slo:
        """The promises that steps of ``step`` must hold."""
        if slo.ttft_p95_s is None:
            return slo
        return slo.model_copy(update={"ttft_p95_s": slo.ttft_p95_s / self.ttft})


def margin(timing: EngineTiming, replica: Replica, requests: Requests) -> Margin:
    """The margin of a replica under such requests."""
    lengths = Lengths(float(requests.prompt_tokens.mean()), float(requests.output_tokens.mean()))
    asked = {
        metric: Configuration(replica, 1.0, lengths, "closed", float(_BATCH), metric, "mean")
        for metric in ("tpot", "ttft")
    }
    found = {metric: predict(one) for metric, one in asked.items()}
    seen = physics(asked["tpot"])
    step = Step(0, 0, _BATCH, round(_BATCH * lengths.prompt))
    mine = timing.step_s(step) / seen.timing.step_s(step)
    above = {metric: one.high / one.value for metric, one in found.items()}
    return Margin(
        step=max(1.0, found["tpot"].high / seen.value / mine),
        ttft=max(1.0, above["ttft"] / above["tpot"]),
        support=found["tpot"].reason,
    )
