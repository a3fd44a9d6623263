"""How much slower than expected a replica may turn out to be: the upper end of the latency model's 80 % interval.

The interval is that of measurements with a fixed number of callers, of which there are the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cluster.latency.learned import learned
from cluster.latency.residual import fitted
from cluster.memory import Replica
from cluster.spec import Slo

_SUPPORT: Final = {
    "pair": "this model was measured on this GPU",
    "apart": "model and GPU were measured, but not together",
    "new": "model or GPU was never measured",
}


@dataclass(frozen=True, slots=True)
class Margin:
    """Multiples of what is expected."""

    step: float = 1.25
    """Of every step. The default is for CPUs, which the latency model has no interval for."""
    ttft: float = 1.25
    """Of time to first token, on top of ``step``: its measurements scatter more."""
    support: str = "a CPU, roughly"
    """What the expectation rests on."""

    def tightened(self, slo: Slo) -> Slo:
        """The promises that an engine must hold whose steps are ``step`` times as long."""
        if slo.ttft_p95_s is None:
            return slo
        return slo.model_copy(update={"ttft_p95_s": slo.ttft_p95_s / self.ttft})


def margin(replica: Replica) -> Margin:
    """The margin of a replica on GPUs."""
    level = fitted().level(replica.model.name, replica.gpu.name)
    known = learned(replica)
    step = max(1.0, known.careful)
    return Margin(step, max(1.0, known.careful_ttft / step), _SUPPORT[level])
