"""A replica's life: cold start, service, drain, end; its engine is :class:`cluster.simulate.engine.Engine`."""

from __future__ import annotations

from enum import Enum, auto

from cluster.simulate.calls import NEVER, Calls, Limits
from cluster.simulate.engine import Engine
from cluster.simulate.pace import Pace


class Phase(Enum):
    """Where a replica is in its life; its GPUs are paid for until it is gone."""

    STARTING = auto()
    READY = auto()
    DRAINING = auto()
    """Takes nothing new and ends what it has."""
    GONE = auto()


class Replica(Engine):
    """An engine that becomes ready at ``due`` of its first phase."""

    __slots__ = ("began", "ended", "phase")

    def __init__(self, pace: Pace, calls: Calls, limits: Limits, began: float, ready_at: float) -> None:
        """Begin a cold start."""
        super().__init__(pace, calls, limits)
        self.began, self.ended = began, NEVER
        self.phase = Phase.STARTING
        self.due = ready_at

    def open(self) -> None:
        """The cold start is over."""
        self.phase, self.now, self.due = Phase.READY, self.due, NEVER

    def drain(self, now: float) -> None:
        """Take nothing new; an idle replica, or one that is still starting, is gone at once."""
        self.phase = Phase.DRAINING
        if not self.in_flight:
            self.leave(now)

    def leave(self, now: float) -> None:
        """Free the GPUs."""
        self.phase, self.ended, self.due = Phase.GONE, now, NEVER

    def die(self, now: float) -> list[int]:
        """End with everything under way; which requests those were."""
        self.leave(now)
        return [*self.running, *self.waiting]
