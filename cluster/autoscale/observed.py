"""What an autoscaler sees of a model's replicas, the same in a simulation and in Ray Serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Observed:
    """One look at a model. Counts are of the interval since the look before."""

    now_s: float
    """On any clock that only moves forward."""
    ready: int
    """Replicas that take requests."""
    starting: int
    """Replicas on their way, not ready yet."""
    arrived: float
    """Requests that came."""
    prompt_tokens: float
    """Prompt tokens of those, without what the prefix cache held."""
    ended: float
    """Requests that were answered."""
    late: float
    """Requests of those that broke a promised latency."""
    output_tokens: float
    """Output tokens of those."""
    in_flight: float
    """Requests that wait or run, averaged over the interval."""
    waiting: int
    """Requests that no engine has begun with, now."""
    kv_share: float
    """The used part of the KV cache, of the fullest replica, now."""


class Scaler(Protocol):
    """Decides; remembers what it has seen."""

    def decide(self, seen: Observed) -> int:
        """How many replicas there should be, ready and starting together."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same number at all times."""

    replicas: int

    def decide(self, seen: Observed) -> int:  # noqa: ARG002 - nothing seen changes it
        """That number."""
        return self.replicas
