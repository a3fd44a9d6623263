"""The same requests in other ways: all hosted, all on the large tier, other splits, more or less of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from cluster.cost import MONTH_HOURS, usd_per_request
from cluster.demand import HOURS, Demand
from cluster.demand.lengths import Floats
from cluster.plan.options import Option, options
from cluster.plan.search import Tier, tier_of
from cluster.plan.sizing import sized
from cluster.spec import SPILLOVER, Accelerator, Fleet, Model, Planning, Price

SPLITS: Final = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
SEVENTY_B: Final = "llama-3.3-70b"
"""Stands for the large model where a fleet has none."""
_CHEAP: Final = 8
"""Options that are looked at again under another load: so many of the cheapest per hour, and per request."""
_FACTORS: Final = np.geomspace(1e-4, 1e4, 97)
"""Multiples of the traffic among which the break-even is looked for, 21 % apart."""


def weekly_requests(demand: Demand) -> float:
    """All requests of a week."""
    return float(demand.rates.sum()) * 3600


def all_hosted(demand: Demand, price: Price) -> float:
    """Dollars a month if a hosted model answered everything."""
    return usd_per_request(price, demand.mix.even(1024)) * weekly_requests(demand) * MONTH_HOURS / HOURS


def aside(demand: Demand, price: Price) -> float:
    """Dollars a month of the requests that a hosted model answers in any case (``traffic.spill_share``)."""
    return all_hosted(demand, price) * demand.shares[SPILLOVER]


def _local(demand: Demand) -> Floats:
    return demand.rates * (1 - demand.shares[SPILLOVER])


def all_large(fleet: Fleet, demand: Demand, tiers: tuple[Tier, ...]) -> tuple[str, float | None]:
    """The model of the large tier, or a 70B one, and dollars a month if it answered what stays; None if it cannot."""
    large = next((tier for tier in tiers if tier.name == "large"), None) or seventy_b(fleet, demand)
    return large.model, cheapest((large,), {"large": _local(demand)}, fleet.planning)


def seventy_b(fleet: Fleet, demand: Demand) -> Tier:
    """A large tier for a fleet that has none: a 70B model that answers all that stays."""
    context = max(model.context_length for model in fleet.models.values())
    model = Model(source=SEVENTY_B, context_length=context, accelerator=Accelerator(type="H100", count=1))
    stored = fleet.planning.model_copy(update={"quantizations": fleet.planning.quantizations or ("fp8",)})
    judged = list(options(model, stored, demand.mix, fleet.slo))
    return tier_of("large", SEVENTY_B, judged, _local(demand), fleet.planning)


def cheapest(tiers: tuple[Tier, ...], rates: Mapping[str, Floats], planning: Planning) -> float | None:
    """Dollars a month of the cheapest local fleet under other rates, stock aside; None where a tier cannot be run."""
    total = 0.0
    for tier in tiers:
        if not rates[tier.name].any():
            continue
        usd = [
            one.usd
            for one in (sized(option, rates[tier.name], planning) for option in _likely(tier))
            if not one.why_not
        ]
        if not usd:
            return None
        total += min(usd)
    return total


def _likely(tier: Tier) -> list[Option]:
    """Options that are cheapest at little or at much load."""
    able = [option for option in tier.options if not option.why_not]
    by_hour = sorted(able, key=lambda option: sum(option.usd_per_hour.values()))[:_CHEAP]
    by_request = sorted(able, key=lambda option: sum(option.usd_per_hour.values()) / option.rate)[:_CHEAP]
    return list({id(option): option for option in (*by_hour, *by_request)}.values())


def splits(tiers: tuple[Tier, ...], demand: Demand, planning: Planning) -> dict[float, float | None]:
    """Share of the large tier → dollars a month of the cheapest local fleet; empty with one tier."""
    if len(tiers) < 2:  # noqa: PLR2004 - small and large
        return {}
    local = _local(demand)
    return {
        share: cheapest(tiers, {"small": local * (1 - share), "large": local * share}, planning) for share in SPLITS
    }


def break_even(tiers: tuple[Tier, ...], demand: Demand, planning: Planning, hosted_usd: float) -> float | None:
    """Multiple of the traffic from which on a local fleet is cheaper than ``hosted_usd`` times it; None for never."""
    found = None
    for factor in reversed(_FACTORS):
        own = cheapest(tiers, {tier.name: demand.rate(tier.name) * factor for tier in tiers}, planning)
        if own is not None and own > hosted_usd * factor:
            break
        found = found if own is None else float(factor)
    return found
