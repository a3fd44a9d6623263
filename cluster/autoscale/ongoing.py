"""Ray Serve's own policy: so many requests in flight a replica, with a look back and delays.

Written after Ray 2.60's ``replica_queue_length_autoscaling_policy`` with its wrapping of factors and delays
(``ray/serve/autoscaling_policy.py``), so that a simulation shows what ``replicas.autoscaling: ongoing`` will do.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from math import ceil

from cluster.autoscale.observed import Observed

_EPSILON_S = 1e-6


@dataclass(frozen=True, slots=True)
class Ongoing:
    """The settings, with Ray's defaults."""

    target: float = 2
    """Requests in flight a replica (``target_ongoing_requests``)."""
    look_back_s: float = 30
    """Seconds that they are averaged over."""
    upscale_delay_s: float = 30
    downscale_delay_s: float = 600
    """A wish for fewer must last for so long, and is then followed as it is at that moment."""
    upscaling_factor: float = 1
    downscaling_factor: float = 1
    """Share of the wished change that is made."""


@dataclass(slots=True)
class OngoingScaler:
    """Decides as Ray Serve does."""

    settings: Ongoing
    replicas: int
    """Its latest decision."""
    _seen: deque[tuple[float, float]] = field(default_factory=deque)
    _since: float = 0.0
    _direction: int = 0

    def decide(self, seen: Observed) -> int:
        """A new number once the wish for it has lasted."""
        total = self._average(seen)
        if seen.ready == 0:
            if total > 0:
                self.replicas = max(ceil(self.settings.upscaling_factor), self.replicas)
            return self.replicas
        self._follow(self._scaled(total / self.settings.target, seen.ready), seen.now_s)
        return self.replicas

    def _average(self, seen: Observed) -> float:
        self._seen.append((seen.now_s, seen.in_flight))
        while self._seen[0][0] <= seen.now_s - self.settings.look_back_s:
            self._seen.popleft()
        return sum(number for _, number in self._seen) / len(self._seen)

    def _scaled(self, wished: float, ready: int) -> int:
        change = wished - ready
        factor = self.settings.upscaling_factor if change > 0 else self.settings.downscaling_factor
        scaled = ceil(ready + factor * change)
        return scaled - 1 if ceil(wished) < ready == scaled else scaled

    def _follow(self, wished: int, now: float) -> None:
        direction = (wished > self.replicas) - (wished < self.replicas)
        if direction != self._direction:
            self._direction, self._since = direction, now
        delay = self.settings.upscale_delay_s if direction > 0 else self.settings.downscale_delay_s
        if direction and now - self._since + _EPSILON_S >= delay:
            # Only a single replica may be followed by none.
            self.replicas = max(0 if self.replicas == 1 else 1, wished)
            self._direction = 0
