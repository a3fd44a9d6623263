"""What was learned of a replica's steps: one factor for all of them, and how far beyond that they may be.

The simulator and the planner work step by step; the trees speak of whole configurations. So they are asked once, for a
usual load, and what they say of its time per token holds for every step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cluster.latency.configuration import Configuration
from cluster.latency.features import features, physics
from cluster.latency.load import Lengths
from cluster.latency.residual import fitted
from cluster.memory import Replica

_USUAL = Lengths(prompt=1024, output=256)
_KIND = "closed"
_CALLERS = 16.0
_YEAR, _VERSION = 2026.25, {"vllm": 19.0, "sglang": 5.09, "trtllm": 102.0}
"""The newest that was measured; a later version is taken to be no slower."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Factors on the seconds of a step."""

    factor: float
    """Towards what was measured; 1 where nothing was."""
    careful: float
    """From there to the upper end of the interval that holds 80 of 100 measurements; plans are sized with it."""
    careful_ttft: float
    """The same for time to first token."""


@lru_cache(maxsize=4096)
def learned(replica: Replica) -> Learned:
    """Ask the trees for a usual load."""
    known = fitted()
    level = known.level(replica.model.name, replica.gpu.name)
    steps, first = (_seen(replica, metric) for metric in ("tpot", "ttft"))
    return Learned(
        factor=math.exp(known.correction("tpot", level, steps)),
        careful=math.exp(known.band("tpot", _KIND, level, steps).high),
        careful_ttft=math.exp(known.band("ttft", _KIND, level, first).high),
    )


def _seen(replica: Replica, metric: str) -> Mapping[str, float]:
    asked = Configuration(
        replica=replica,
        copies=1.0,
        lengths=_USUAL,
        kind=_KIND,
        load=_CALLERS,
        metric=metric,
        stat="mean",
        year=_YEAR,
        version=_VERSION.get(replica.engine, 0.0),
    )
    return features(asked, physics(asked))
