"""What to change next, with what the planner predicts of it for the load that was measured.

Predicted is compared with predicted: what the fleet file's replicas would cost and hold under this load, against what
others would. A change of the dial has an effect on quality too, where both tiers were judged: as if the requests that
move were any requests, which is the least that a router does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from cluster.cost import MONTH_HOURS
from cluster.demand import Demand
from cluster.errors import CatalogError, UsageError
from cluster.plan.compare import SPLITS, cheapest
from cluster.plan.options import Option, present
from cluster.plan.outlook import hour_name, latencies
from cluster.plan.search import Tier, choices, search
from cluster.plan.sizing import Sized, sized
from cluster.report.facts import JUDGED, Judged, Month
from cluster.spec import SPILLOVER, Fleet, Pay, Replicas

_WORTH: Final = 0.05
"""Other hardware is named from this share of the cost on."""
_LEAST: Final = 1.0
"""Dollars a month that moving the dial must be about."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to change."""

    what: str
    usd_month: float | None
    """Dollars a month more (or less, below zero), as predicted; None where that is not what it is about."""
    effect: str


def advice(month: Month, fleet: Fleet, demand: Demand) -> list[Change] | str:
    """The dearest saving first; or why nothing can be predicted."""
    try:
        tiers = search(fleet, demand)
        if not tiers:
            return "no model that Freehold runs itself answered anything"
        found = [
            *_replicas(fleet, demand, tiers),
            *_hardware(fleet, demand, tiers),
            *_dial(month, fleet, demand, tiers),
        ]
    except (CatalogError, UsageError) as exc:
        return str(exc)
    return sorted(found, key=lambda change: change.usd_month or 0.0)


def _now(fleet: Fleet, tier: Tier, demand: Demand) -> tuple[Option, Sized] | None:
    """The fleet file's own setup of a tier, and what the load needs of it; None where it does not hold at all."""
    model = fleet.models[tier.model]
    option = present(model, fleet.planning, demand.mix, fleet.slo)
    return (option, sized(option, demand.rate(tier.name), fleet.planning)) if option.rate else None


def _usd(option: Option, fleet: Fleet, need: Sized, replicas: Replicas) -> float:
    """Dollars a month between ``replicas.min`` and ``replicas.max``, as many as the load needs."""
    by_hour = np.clip(need.replicas, replicas.min, replicas.max)
    scales = fleet.planning.pay is Pay.ON_DEMAND
    mean = float(by_hour.mean()) if scales else float(replicas.max)
    return option.usd_per_hour[fleet.planning.pay] * mean * MONTH_HOURS


def _replicas(fleet: Fleet, demand: Demand, tiers: tuple[Tier, ...]) -> Iterator[Change]:
    """More where the busiest hour needs more, fewer where no hour does."""
    for tier in tiers:
        now = _now(fleet, tier, demand)
        if now is None:
            continue
        option, need = now
        has = fleet.models[tier.model].replicas
        fewest, most = int(need.replicas.min()), need.most
        on_demand = fleet.planning.pay is Pay.ON_DEMAND
        too_many = has.min > fewest if on_demand else has.max > most
        if most <= has.max and not too_many:
            continue
        wanted = has.model_copy(update={"min": min(fewest, has.min), "max": max(most, has.max) if on_demand else most})
        change = _usd(option, fleet, need, wanted) - _usd(option, fleet, need, has)
        rate = demand.rate(tier.name)
        seen = f"the busiest hour ({hour_name(int(np.argmax(rate)))}) asks {rate.max():.3g} requests/s"
        room = f"a replica takes {option.rate:.3g} at the promises"
        needed = f"so {most} are needed, {fleet.planning.spare_replicas} of them to spare"
        what = f"{tier.model}: replicas {has.min} to {has.max} → {wanted.min} to {wanted.max}"
        yield Change(what, change, f"{seen}; {room}; {needed}")


def _hardware(fleet: Fleet, demand: Demand, tiers: tuple[Tier, ...]) -> Iterator[Change]:
    """Other GPUs or another way to store the weights, where that is clearly cheaper for what the load needs."""
    cheapest_first = choices(tiers, fleet)
    for tier in tiers:
        now, best = _now(fleet, tier, demand), cheapest_first[0].tiers[tier.name] if cheapest_first else None
        if best is None or (now is not None and best.option.setup == now[0].setup):
            continue
        waits = ", ".join(f"{one.name.upper()} p95 {one.p95_s:.3g} s" for one in latencies(best)[:2])
        effect = f"{best.most} replicas in the busiest hour; {waits or 'latency unknown'}; {best.option.margin.support}"
        if now is None:
            yield Change(f"{tier.model}: to {best.option.setup}", None, f"as it is, no promise holds; {effect}")
        elif best.usd < now[1].usd * (1 - _WORTH):
            what = f"{tier.model}: {now[0].setup} → {best.option.setup}"
            yield Change(what, best.usd - now[1].usd, effect)


def _dial(month: Month, fleet: Fleet, demand: Demand, tiers: tuple[Tier, ...]) -> Iterator[Change]:
    """The next smaller and the next larger share of the large tier."""
    local = {tier.name: demand.shares[tier.name] for tier in tiers}
    if len(local) < 2:  # noqa: PLR2004 - small and large
        return
    share = local["large"] / sum(local.values())
    at_present = _split(tiers, demand, share, fleet)
    near = [max((one for one in SPLITS if one < share - 0.01), default=None)]
    near.append(min((one for one in SPLITS if one > share + 0.01), default=None))
    for other in near:
        usd = None if other is None else _split(tiers, demand, other, fleet)
        if other is None or usd is None or at_present is None or abs(usd - at_present) < _LEAST:
            continue
        what = f"routing: {share:.0%} → {other:.0%} of the local requests to large"
        yield Change(what, usd - at_present, _quality(month.quality, other - share))


def _split(tiers: tuple[Tier, ...], demand: Demand, share: float, fleet: Fleet) -> float | None:
    local = demand.rates * (1 - demand.shares[SPILLOVER])
    return cheapest(tiers, {"small": local * (1 - share), "large": local * share}, fleet.planning)


def _quality(judged: tuple[Judged, ...], moved: float) -> str:
    """What a share of any requests that moves from small to large does to answers as good as the reference's."""
    tiers: Mapping[tuple[str, str], Judged] = {
        (one.heading, one.reference): one
        for one in judged
        if one.source == JUDGED and one.quality_share.low is not None
    }
    for (tier, reference), small in tiers.items():
        large = tiers.get(("large", reference))
        if tier == "small" and large is not None:
            points = 100 * moved * (large.quality_share.value - small.quality_share.value)
            return f"answers as good as {reference}'s: {points:+.1f} points, if any requests move and not the best ones"
    return "its effect on quality is unknown: both tiers need judged answers against one reference"
