"""A fleet file and its arrivals → a scenario: each tier's first model with its timing, autoscaler and limits."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cluster.autoscale.capacity import capacity_of
from cluster.autoscale.observed import Fixed, Scaler
from cluster.autoscale.ongoing import Ongoing, OngoingScaler
from cluster.autoscale.slo import SloPolicy, SloScaler
from cluster.catalog.gpus import gpu
from cluster.cost import hourly
from cluster.demand import Arrivals, Requests
from cluster.errors import UsageError
from cluster.latency.replica import timing_of
from cluster.latency.timing import EngineTiming
from cluster.simulate.calls import NEVER, Calls, Limits
from cluster.simulate.pool import Service
from cluster.simulate.run import SPILLED, Failure, Scenario, Simulation
from cluster.spec import Autoscaling, Fleet, Model, Slo, Trigger

_SAMPLE = 400
"""Requests that capacity is computed for; more say nothing else."""


def simulation_of(fleet: Fleet, arrivals: Arrivals, failures: Sequence[Failure] = ()) -> Simulation:
    """A fleet under its arrivals, ready to run; raises an error that names the field where there is no data."""
    names = {tier: models[0] for tier, models in fleet.tiers_by_name().items() if models and tier in arrivals.tiers}
    if not names:
        msg = "tiers: no model in small or large answers the traffic; list one"
        raise UsageError(msg)
    services = [
        _service(fleet, name, _some(arrivals, arrivals.tier == arrivals.tiers.index(tier)))
        for tier, name in names.items()
    ]
    order = [*names]
    places = [order.index(tier) if tier in order else SPILLED for tier in arrivals.tiers]
    calls = Calls.of(arrivals.arrival_s, arrivals.prompt_tokens, arrivals.output_tokens, arrivals.cached_tokens)
    slow = Trigger.SLOW in fleet.spillover.when and fleet.spillover.ttft_seconds
    scenario = Scenario(
        services=services,
        busy_in_flight=fleet.routing.busy_in_flight if len(services) > 1 else NEVER,
        spills=bool(fleet.spillover.chain) and Trigger.DOWN in fleet.spillover.when,
        spill_after_s=slow or NEVER,
        failures=failures,
    )
    until = float(arrivals.arrival_s[-1]) if len(arrivals) else 0.0
    return Simulation(scenario, calls, np.array(places)[arrivals.tier].tolist(), until)


def limits_of(slo: Slo) -> Limits:
    """What a single request must hold to count as in time."""
    return Limits(slo.ttft_p95_s or NEVER, slo.tpot_p95_s or NEVER, slo.e2e_p95_s or NEVER)


def usd_per_hour(fleet: Fleet, model: Model) -> float:
    """Of one GPU, as the fleet's planning pays for it; 0 on CPUs."""
    if model.accelerator.type == "cpu":
        return 0.0
    return hourly(gpu(model.accelerator.type), fleet.planning).usd[fleet.planning.pay]


def _service(fleet: Fleet, name: str, requests: Requests) -> Service:
    model = fleet.models[name]
    timing = timing_of(model)
    replicas = model.replicas
    return Service(
        name=name,
        timing=timing,
        scaler=_scaler(fleet, model, timing, requests),
        min_replicas=replicas.min,
        max_replicas=replicas.max,
        initial_replicas=replicas.min,
        gpus=model.accelerator.count,
        cold_start_s=replicas.cold_start_s,
        limits=limits_of(fleet.slo),
        max_in_flight=replicas.max_ongoing_requests,
    )


def _scaler(fleet: Fleet, model: Model, timing: EngineTiming, requests: Requests) -> Scaler:
    replicas = model.replicas
    if replicas.min == replicas.max:
        return Fixed(replicas.min)
    if replicas.autoscaling is Autoscaling.SLO:
        policy = SloPolicy(
            capacity_of(timing, requests, fleet.slo),
            cold_start_s=replicas.cold_start_s,
            hold_s=replicas.downscale_delay_s,
            idle_s=replicas.downscale_delay_s,
            late_share=fleet.slo.late_share,
        )
        return SloScaler(policy)
    ongoing = Ongoing(
        target=replicas.target_ongoing_requests,
        upscale_delay_s=replicas.upscale_delay_s,
        downscale_delay_s=replicas.downscale_delay_s,
    )
    return OngoingScaler(ongoing, replicas.min)


def _some(arrivals: Arrivals, mask: NDArray[np.bool_]) -> Requests:
    """Evenly taken from those of one tier; from all where it gets none."""
    places = np.flatnonzero(mask) if mask.any() else np.arange(len(arrivals))
    places = places[:: max(1, math.ceil(len(places) / _SAMPLE))]
    return Requests(arrivals.prompt_tokens[places], arrivals.output_tokens[places], arrivals.cached_tokens[places])
