"""``freehold simulate`` without its printing: a fleet file, perhaps a trace → an outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cluster.demand import HOURS, Arrivals, arrivals, demand_of, read_trace, replay
from cluster.errors import UsageError
from cluster.simulate.fleet import simulation_of, usd_per_hour
from cluster.simulate.outcome import Outcome, Times, outcome_of
from cluster.simulate.page import page
from cluster.simulate.run import Failure, Simulation
from cluster.spec import SPILLOVER, Fleet

_DAY_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What to simulate."""

    trace: Path | None = None
    """Replayed as it was, in place of the fleet's traffic."""
    hours: float | None = None
    """Of the week that ``traffic`` describes, from Monday 0:00 on; a day where it is not told."""
    seed: int = 0
    kill_at_s: Sequence[float] = ()
    """When the busiest replica of the first model dies."""


@dataclass(frozen=True, slots=True)
class Report:
    """What came of it."""

    simulation: Simulation
    times: Times
    outcome: Outcome

    def html(self, title: str) -> str:
        """As a page with plots."""
        return page(title, self.outcome, self.times, self.simulation.pools)


def arrivals_of(fleet: Fleet, file: Path, asked: Asked) -> Arrivals:
    """By the trace, or by the fleet's ``traffic``; raises UsageError where there is neither."""
    if asked.trace is None:
        hours = _DAY_HOURS if asked.hours is None else asked.hours
        return arrivals(demand_of(fleet, file.parent), asked.seed, hours=min(hours, HOURS))
    tiers = fleet.tiers
    large = fleet.routing.large_share if fleet.traffic.large_share is None else fleet.traffic.large_share
    large = 1.0 if not tiers.small else large if tiers.large else 0.0
    local = 1 - fleet.traffic.spill_share
    shares = {"small": local * (1 - large), "large": local * large, SPILLOVER: fleet.traffic.spill_share}
    return replay(read_trace(asked.trace), shares, asked.seed)


def simulate(fleet: Fleet, file: Path, asked: Asked, progress: Callable[[float], None] | None = None) -> Report:
    """Run it; ``progress`` is told the share that is done, between 0 and 1."""
    came = arrivals_of(fleet, file, asked)
    if not len(came):
        msg = "traffic: not one request comes in these hours; raise the rate or --hours"
        raise UsageError(msg)
    simulation = simulation_of(fleet, came, [Failure(at) for at in sorted(asked.kill_at_s)])
    until = max(float(np.max(came.arrival_s)), 1e-9)
    simulation.run((lambda now: progress(now / until)) if progress else None)
    times = Times.of(simulation)
    prices = [usd_per_hour(fleet, fleet.models[pool.service.name]) for pool in simulation.pools]
    return Report(simulation, times, outcome_of(simulation, times, prices))
