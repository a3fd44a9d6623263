"""How many replicas each model has, what changed, and why, as far as that can be told from here.

The supervisor leaves the numbers in ``run/replicas.json`` below ``FREEHOLD_HOME``; without it, as on Kubernetes or with
engines behind URLs, nothing is known and the page says so. The ``slo`` policy, which runs in Ray Serve's controller,
leaves its reason beside it (:mod:`serving.autoscaling`); for Ray's own policy what it goes by is said.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster.spec import Autoscaling, Fleet
from router.accounts.spans import told
from router.observe.replicas import wish_of
from router.page.workers import Gauge

MOVES = 30
RECENT_S = 900.0
"""A reason that is older belongs to another change: replicas of large models take minutes to come."""


@dataclass(frozen=True, slots=True)
class Move:
    """A model's number of replicas changed."""

    at: float
    """Unix time when it was noticed."""
    model: str
    before: int
    after: int
    why: str


class Replicas:
    """Remembers what it saw."""

    def __init__(self, fleet: Fleet, home: Path | None, clock: Callable[[], float] = time.time) -> None:
        """``home`` is the fleet's directory; None where there is none."""
        self._fleet, self._home, self._clock = fleet, home, clock
        self.known: Mapping[str, int] = {}
        """Model → replicas; empty where nobody says."""
        self.moves: deque[Move] = deque(maxlen=MOVES)
        """The latest last."""

    def look(self, gauges: Mapping[str, Gauge]) -> None:
        """See what is there now; ``gauges`` tell what was under way when it changed."""
        if self._home is None:
            return
        now = told(self._home)
        for name, count in now.items():
            before = self.known.get(name, count)
            if count != before and name in self._fleet.models:
                why = self._why(name, count - before, gauges.get(name, Gauge()))
                self.moves.append(Move(self._clock(), name, before, count, why))
        self.known = now

    def _why(self, name: str, change: int, gauge: Gauge) -> str:
        replicas = self._fleet.models[name].replicas
        if replicas.min == replicas.max:
            return "not scaled: a replica ended" if change < 0 else "not scaled: a replica came back"
        if replicas.autoscaling is Autoscaling.ONGOING:
            seen = f"{gauge.in_flight} in flight, {gauge.waiting} waiting"
            return f"{seen}; Ray Serve aims at {replicas.target_ongoing_requests:g} in flight per replica"
        wish = wish_of(self._home, name) if self._home else None
        return wish.why if wish and self._clock() - wish.at < RECENT_S else "the slo policy has left no reason"
