"""The events of a simulated fleet in the order of their time: arrivals, ends of stretches, looks, failures.

The router sends each request to the model that was drawn for it, to another tier when that one is busy and the other is
not, to a paid model when neither takes it. The same scenario and arrivals give the same outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from cluster.simulate.calls import NEVER, Calls, Fate
from cluster.simulate.pool import Pool, Service
from cluster.simulate.replica import Phase, Replica

SPILLED = -1
"""The pool of requests that a paid model was drawn for."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A replica that dies."""

    at_s: float
    pool: int = 0
    """Index of its model."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A fleet as it is simulated."""

    services: Sequence[Service]
    look_s: float = 10
    """Seconds between two looks of the autoscalers."""
    busy_in_flight: float = NEVER
    """From so many requests in flight a replica on, a less busy model answers instead."""
    spills: bool = False
    """Whether a paid model stands in; what no model takes is refused otherwise."""
    spill_after_s: float = NEVER
    """A queue that has waited longer sends new requests to the paid model."""
    failures: Sequence[Failure] = ()


class Simulation:
    """One run of a scenario. ``pools`` and ``calls`` hold what came of it."""

    def __init__(self, scenario: Scenario, calls: Calls, choice: Sequence[int], until_s: float) -> None:
        """``choice`` is the index of the service that the router chose for each request, or :data:`SPILLED`."""
        self.scenario, self.calls, self.until_s = scenario, calls, until_s
        self.pools = [Pool(service, calls, self._scheduler(at)) for at, service in enumerate(scenario.services)]
        self._choice = choice
        self._events: list[tuple[float, int, int, Replica | None]] = []
        self._serial = count()

    def run(self, progress: Callable[[float], None] | None = None) -> None:
        """Let all of it happen; ``progress`` is told the simulated time at every look."""
        events, arrival, pools = self._events, [*self.calls.arrival, NEVER], self.pools
        for failure in self.scenario.failures:
            heappush(events, (failure.at_s, next(self._serial), failure.pool, None))
        request, next_look, look_s = 0, self.scenario.look_s, self.scenario.look_s
        while True:
            due = events[0][0] if events else NEVER
            now = arrival[request]
            if next_look <= due and next_look <= now and next_look <= self.until_s:
                self._look(next_look, progress)
                next_look += look_s
            elif now <= due:
                if now == NEVER:
                    break
                self._route(request, now)
                request += 1
            else:
                now, _, pool, replica = heappop(events)
                if replica is None:
                    for lost in pools[pool].fail(now):
                        self._route(lost, now)
                elif replica.due == now and replica.phase is not Phase.GONE:
                    pools[pool].fire(replica)

    def _scheduler(self, pool: int) -> Callable[[Replica], None]:
        def schedule(replica: Replica) -> None:
            heappush(self._events, (replica.due, next(self._serial), pool, replica))

        return schedule

    def _look(self, now: float, progress: Callable[[float], None] | None) -> None:
        for pool in self.pools:
            pool.scale(now)
        if progress:
            progress(now)

    def _route(self, request: int, now: float) -> None:
        at = self._choice[request]
        if at != SPILLED and (pool := self._taker(at, request, now)) is not None:
            self.calls.pool[request] = pool
            self.pools[pool].take(request, now)
            return
        spilled = at == SPILLED or self.scenario.spills
        self.calls.fate[request] = Fate.SPILLED if spilled else Fate.REFUSED

    def _taker(self, at: int, request: int, now: float) -> int | None:
        """The model that answers; None when none does."""
        pools, scenario = self.pools, self.scenario
        wanted = pools[at]
        if wanted.load >= scenario.busy_in_flight or wanted.is_full or not wanted.holds(request):
            able = [i for i, pool in enumerate(pools) if not pool.is_full and pool.holds(request)]
            if not able:
                return None
            least = min(able, key=lambda i: (pools[i].load, i != at))
            at = least if wanted.is_full or at not in able or pools[least].load < scenario.busy_in_flight else at
        if scenario.spills and scenario.spill_after_s < NEVER and pools[at].waited_s(now) > scenario.spill_after_s:
            return None
        return at
