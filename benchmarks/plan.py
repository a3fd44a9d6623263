"""How long ``freehold plan`` searches, and how far its closed form is from the simulation of the fleet that it chose.

``python benchmarks/plan.py [--quick] [--json FILE]``. The search judges two models on every GPU of the catalogue, three
ways to store weights, one to eight GPUs a replica; seconds are of one core. The second part plans each example fleet,
lets the simulator play the busiest hour with the planned replicas, and compares what users wait for.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.processes import ROOT
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.catalog.gpus import gpus
from cluster.demand import Arrivals, arrivals, demand_of
from cluster.load import load_fleet
from cluster.plan.apply import planned_fleet
from cluster.plan.report import report
from cluster.plan.search import choices, search
from cluster.simulate.fleet import simulation_of
from cluster.simulate.outcome import Times
from cluster.spec import Fleet, Planning

TARGETS: Final = (
    Target("search_candidates", ">=", 500),
    Target("search_500_cpu_s", "<=", 5),
    Target("ttft_p95_median_error", "<=", 0.25),
    Target("tpot_p95_median_error", "<=", 0.15),
    Target("kept_lowest_share", ">=", 0.95),
    Target("kept_with_spares_down_lowest_share", ">=", 0.95),
)
EXAMPLES: Final = ("l40s", "h100", "mixed")


def main() -> int:
    """Measure; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description="How long a plan takes, and how far it is from the simulation.")
    parser.add_argument("--quick", action="store_true", help="a tenth of an hour instead of a whole one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    figures = searched() | compared(0.1 if asked.quick else 1)
    return publish(figures, TARGETS, machine() | versions(["numpy"]), asked.json)


def searched() -> dict[str, float]:
    """Seconds of one search over everything that can be chosen."""
    fleet = load_fleet(ROOT / "fleets" / "h100.yaml")
    prices = {name: kind.hourly_usd or 2.0 for name, kind in gpus().items()}
    planning = Planning(quantizations=("bf16", "fp8", "int4"), gpu_usd_per_hour=prices)
    fleet = fleet.model_copy(update={"planning": planning})
    demand = demand_of(fleet, ROOT)
    began, began_cpu = time.perf_counter(), time.process_time()
    tiers = search(fleet, demand)
    found = choices(tiers, fleet)
    cpu, wall = time.process_time() - began_cpu, time.perf_counter() - began
    candidates = sum(len(tier.options) for tier in tiers)
    return {
        "search_candidates": candidates,
        "search_options": sum(len(tier.sized) for tier in tiers),
        "search_plans": len(found),
        "search_cpu_s": cpu,
        "search_wall_s": wall,
        "search_500_cpu_s": cpu / candidates * 500,
    }


def compared(hours: float) -> dict[str, float]:
    """Closed form over simulation, less 1, for each tier of the examples; and the share of requests in time."""
    figures: dict[str, float] = {}
    errors: dict[str, list[float]] = {}
    for name in EXAMPLES:
        facts = report(_fixed(load_fleet(ROOT / "fleets" / f"{name}.yaml")), ROOT)
        busiest = facts.demand.busiest
        came = arrivals(facts.demand, 0, first_hour=busiest, hours=hours)
        for tier, times in played(planned_fleet(facts), came, down=facts.fleet.planning.spare_replicas).items():
            figures[f"{name}_{tier}_kept_with_spares_down_share"] = float(times.in_slo.mean())
        for tier, times in played(planned_fleet(facts), came).items():
            for told, column in zip(facts.latencies[tier], (times.ttft_s, times.tpot_s, times.e2e_s), strict=True):
                for share, value in (("p50", told.p50_s), ("p95", told.p95_s)):
                    error = value / float(np.nanpercentile(column, float(share[1:]))) - 1
                    figures[f"{name}_{tier}_{told.name}_{share}_error"] = error
                    errors.setdefault(f"{told.name}_{share}", []).append(abs(error))
            figures[f"{name}_{tier}_kept_share"] = float(times.in_slo.mean())
    medians = {f"{name}_median_error": float(np.median(values)) for name, values in errors.items()}
    worst = {f"{name}_worst_error": max(values) for name, values in errors.items()}
    kept = {
        f"{way}_lowest_share": min(value for name, value in figures.items() if name.endswith(f"{way}_share"))
        for way in ("kept", "kept_with_spares_down")
    }
    return figures | medians | worst | kept


def _fixed(fleet: Fleet) -> Fleet:
    """With the same replicas at every hour, so that the busiest is the one with the most load for each."""
    return fleet.model_copy(update={"planning": fleet.planning.model_copy(update={"autoscale": False})})


def played(fleet: Fleet, came: Arrivals, down: int = 0) -> dict[str, Times]:
    """Tier → what its requests took, with the replicas that are planned for the hour, less those that are down."""
    models = {}
    for name, model in fleet.models.items():
        up = max(1, model.replicas.max - down)
        models[name] = model.model_copy(update={"replicas": model.replicas.model_copy(update={"min": up, "max": up})})
    simulation = simulation_of(fleet.model_copy(update={"models": models}), came)
    simulation.run()
    times = Times.of(simulation)
    names = {pool.service.name: place for place, pool in enumerate(simulation.pools)}
    tiers = {tier: names[of[0]] for tier, of in fleet.tiers_by_name().items() if of and of[0] in names}
    return {tier: _of(times, times.pool == place) for tier, place in tiers.items()}


def _of(times: Times, mask: NDArray[np.bool_]) -> Times:
    return Times(*(getattr(times, field.name)[mask] for field in fields(times)))


if __name__ == "__main__":
    sys.exit(main())
