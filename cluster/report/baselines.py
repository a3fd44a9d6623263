"""What the month would have cost elsewhere: all on Claude, by the ledger; all on a 70B model, by the planner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from cluster.cost import MONTH_HOURS
from cluster.demand import Demand
from cluster.errors import CatalogError
from cluster.plan.compare import seventy_b
from cluster.plan.options import Option, as_expected, options
from cluster.plan.search import Tier, tier_of
from cluster.plan.sizing import sized
from cluster.report.facts import COMPLETE, Month
from cluster.report.money import exact, usd_of
from cluster.spec import SPILLOVER, Fleet

_LIKELY: Final = 8
"""Cheapest options that are looked at again by the middle of their prediction."""


@dataclass(frozen=True, slots=True)
class AllClaude:
    """Every answer at ``spillover.baseline``'s prices, as the ledger counted it when it was given."""

    usd: Decimal | None
    """None where no answer of the month was counted so."""
    days_without: int
    """Days with answers of which none was counted: no price list was set then."""


@dataclass(frozen=True, slots=True)
class AllLarge:
    """Every request on one large model, on the GPUs that the planner finds it to need."""

    model: str
    setup: str
    replicas: int
    """In the busiest hour, the spare ones included."""
    low: Decimal
    """By the middle of the prediction."""
    high: Decimal
    """At the upper end of its 80 % interval, which plans are sized by."""


def all_claude(month: Month) -> AllClaude:
    """From the ledger's own column."""
    days: dict[str, int] = {}
    for used in month.usage:
        if used.outcome == COMPLETE and used.tokens:
            day = used.day.isoformat()
            days[day] = days.get(day, 0) + used.baseline_micros
    whole = sum(used.baseline_micros for used in month.usage)
    return AllClaude(usd_of(whole) if whole else None, sum(not micros for micros in days.values()))


def all_large(fleet: Fleet, demand: Demand, hours: Decimal) -> AllLarge | str:
    """Dollars of so many hours at the demand's mean week; or why there is no telling."""
    everything = replace(demand, shares={"large": 1.0, SPILLOVER: 0.0})
    try:
        tier = _own(fleet, everything) or seventy_b(fleet, everything)
    except CatalogError as exc:
        return str(exc)
    if not tier.sized:
        return f"no GPUs of planning.gpus hold the promises with everything on {tier.model}"
    best, expected = tier.sized[0], min(_expected(fleet, tier, everything))
    share = hours / exact(MONTH_HOURS)
    low, high = sorted((exact(expected) * share, exact(best.usd) * share))
    return AllLarge(tier.model, str(best.option.setup), best.most, low, high)


def _own(fleet: Fleet, demand: Demand) -> Tier | None:
    """The fleet's own large model, where it runs on GPUs that have a price."""
    for name in fleet.tiers.large:
        model = fleet.models[name]
        if model.runs_here and model.source and model.accelerator.type != "cpu":
            judged = list(options(model, fleet.planning, demand.mix, fleet.slo))
            return tier_of("large", name, judged, demand.rates, fleet.planning)
    return None


def _expected(fleet: Fleet, tier: Tier, demand: Demand) -> list[float]:
    likely: list[Option] = [as_expected(one.option, fleet.slo) for one in tier.sized[:_LIKELY]]
    return [sized(option, demand.rates, fleet.planning).usd for option in likely if option.rate]
