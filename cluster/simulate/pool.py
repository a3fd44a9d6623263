"""The replicas of one model: who takes a request, who starts, who drains, and what an autoscaler sees of it.

A request goes to the replica with the fewest in flight. Where no replica is ready, requests are held and one replica is
started for all of them. What happens when is told to ``schedule``; :mod:`cluster.simulate.run` owns the time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter

from cluster.autoscale import Observed, Scaler
from cluster.latency.timing import EngineTiming
from cluster.simulate.calls import NEVER, Calls, Fate, Limits
from cluster.simulate.engine import NO_LIMITS
from cluster.simulate.pace import Pace
from cluster.simulate.replica import Phase, Replica

_LOAD = attrgetter("in_flight")


@dataclass(frozen=True, slots=True)
class Service:
    """A model as it is simulated."""

    name: str
    timing: EngineTiming
    scaler: Scaler
    min_replicas: int = 1
    max_replicas: int = 1
    initial_replicas: int = 1
    gpus: int = 1
    """Of one replica."""
    cold_start_s: float = 60
    """From the decision to the first request."""
    limits: Limits = NO_LIMITS
    """What its requests are promised."""
    max_in_flight: int = 256
    """Requests that one replica takes; more are refused, or spill over."""


@dataclass(frozen=True, slots=True)
class Look:
    """A moment of a pool, for plots."""

    at_s: float
    ready: int
    starting: int
    draining: int
    in_flight: int
    waiting: int

    @property
    def replicas(self) -> int:
        """All that are paid for."""
        return self.ready + self.starting + self.draining


class Pool:
    """The replicas of one model."""

    def __init__(self, service: Service, calls: Calls, schedule: Callable[[Replica], None]) -> None:
        """The initial replicas are ready at once."""
        self.service, self.pace = service, Pace(service.timing)
        self.in_flight = 0
        self.ready: list[Replica] = []
        self.starting: list[Replica] = []
        self.draining: list[Replica] = []
        self.gone: list[Replica] = []
        self.looks: list[Look] = []
        self._calls, self._schedule = calls, schedule
        self._held: deque[int] = deque()
        self._arrived = self._prompt_tokens = self._ended = self._late = 0
        self._area = self._since = self._looked = 0.0
        self._tokens = 0
        for _ in range(service.initial_replicas):
            replica = Replica(self.pace, calls, service.limits, 0.0, 0.0)
            replica.open()
            self.ready.append(replica)

    @property
    def load(self) -> float:
        """Requests in flight a replica."""
        return self.in_flight / max(1, len(self.ready))

    @property
    def is_full(self) -> bool:
        """Whether it takes no more; while none is ready, as much is held as one replica takes."""
        return self.in_flight >= self.service.max_in_flight * max(1, len(self.ready))

    def holds(self, request: int) -> bool:
        """Whether an empty replica could ever answer it."""
        return self._calls.prompt[request] + self._calls.output[request] <= self.pace.kv_tokens

    def waited_s(self, now: float) -> float:
        """For how long the request that is served next has waited already, at the least busy replica."""
        queue = min(self.ready, key=_LOAD).waiting if self.ready else self._held
        return now - self._calls.arrival[queue[0]] if queue else 0.0

    def take(self, request: int, now: float) -> None:
        """Give a request to a replica, or hold it until one is ready."""
        calls = self._calls
        self._arrived += 1
        self._prompt_tokens += calls.prompt[request] - calls.cached[request]
        self._change(1, now)
        self._place(request, now)

    def fire(self, replica: Replica) -> None:
        """A replica is due: its cold start, or a stretch of its steps, is over."""
        now = replica.due
        if replica.phase is Phase.STARTING:
            self.starting.remove(replica)
            replica.open()
            self.ready.append(replica)
            held, self._held = self._held, deque()
            for request in held:
                self._place(request, now)
            return
        tokens, late, ended = replica.ended_tokens, replica.late, replica.advance()
        if ended:
            self._ended += ended
            self._late += replica.late - late
            self._tokens += replica.ended_tokens - tokens
            self._change(-ended, now)
        if replica.due != NEVER:
            self._schedule(replica)
        elif replica.phase is Phase.DRAINING:
            self._retire(replica, now)

    def scale(self, now: float) -> None:
        """Let the autoscaler look and do what it says."""
        wanted = self.service.scaler.decide(self._look(now))
        wanted = min(max(wanted, self.service.min_replicas), self.service.max_replicas)
        have = len(self.ready) + len(self.starting)
        for _ in range(wanted - have):
            self._start(now)
        for _ in range(have - wanted):
            self._stop(now)

    def fail(self, now: float) -> list[int]:
        """The busiest replica dies and is replaced; returns what must be answered elsewhere."""
        if not self.ready:
            return []
        replica = max(self.ready, key=_LOAD)
        self.ready.remove(replica)
        lost = replica.die(now)
        self.gone.append(replica)
        self._start(now)
        self._change(-len(lost), now)
        broken = [request for request in lost if self._calls.first[request] != NEVER]
        for request in broken:
            self._calls.fate[request] = Fate.BROKEN
        return [request for request in lost if self._calls.first[request] == NEVER]

    def gpu_seconds(self, until: float) -> float:
        """Paid seconds so far, times GPUs."""
        return self.service.gpus * self.replica_seconds(until)

    def replica_seconds(self, until: float) -> float:
        """The same for replicas, from the beginning of their cold start to the end of their drain."""
        lives = [*self.ready, *self.starting, *self.draining, *self.gone]
        return sum(max(0.0, min(life.ended, until) - life.began) for life in lives)

    def _place(self, request: int, now: float) -> None:
        if self.ready:
            replica = min(self.ready, key=_LOAD)
            if replica.offer(request, now):
                self._schedule(replica)
            return
        self._held.append(request)
        if not self.starting:
            self._start(now)

    def _start(self, now: float) -> None:
        service = self.service
        replica = Replica(self.pace, self._calls, service.limits, now, now + service.cold_start_s)
        self.starting.append(replica)
        self._schedule(replica)

    def _stop(self, now: float) -> None:
        """The latest that starts, or the one with the least to do; not the only one that requests are held for."""
        if self.starting and not (self._held and len(self.starting) == 1):
            replica = self.starting.pop()
        elif self.ready:
            replica = min(self.ready, key=_LOAD)
            self.ready.remove(replica)
        else:
            return
        replica.drain(now)
        (self.gone if replica.phase is Phase.GONE else self.draining).append(replica)

    def _retire(self, replica: Replica, now: float) -> None:
        self.draining.remove(replica)
        replica.leave(now)
        self.gone.append(replica)

    def _change(self, by: int, now: float) -> None:
        self._area += self.in_flight * (now - self._since)
        self._since = now
        self.in_flight += by

    def _look(self, now: float) -> Observed:
        self._change(0, now)
        waiting = len(self._held) + sum(len(replica.waiting) for replica in self.ready)
        ready, starting = len(self.ready), len(self.starting)
        self.looks.append(Look(now, ready, starting, len(self.draining), self.in_flight, waiting))
        seen = Observed(
            now_s=now,
            ready=ready,
            starting=starting,
            arrived=self._arrived,
            prompt_tokens=self._prompt_tokens,
            ended=self._ended,
            late=self._late,
            output_tokens=self._tokens,
            in_flight=self._area / max(now - self._looked, 1e-9),
            waiting=waiting,
            kv_share=max((replica.kv_share for replica in self.ready), default=0.0),
        )
        self._arrived = self._prompt_tokens = self._ended = self._tokens = self._late = 0
        self._area, self._looked = 0.0, now
        return seen
