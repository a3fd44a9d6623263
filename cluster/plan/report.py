"""Everything that ``freehold plan`` found, as frozen facts; ``in_json`` is its stable form for scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cluster.cost import MONTH_HOURS, by_gpu, hosted_price, per_million, tokens_per_month
from cluster.demand import HOURS, Demand, demand_of
from cluster.errors import UsageError
from cluster.plan.compare import all_hosted, all_large, aside, break_even, splits, weekly_requests
from cluster.plan.nearest import Nearest, because, nearest
from cluster.plan.options import held
from cluster.plan.outlook import Latency, Risk, hour_name, latencies, risks
from cluster.plan.search import Choice, Tier, choices, may_host, search
from cluster.plan.sizing import Sized
from cluster.spec import Fleet


@dataclass(frozen=True, slots=True)
class Report:
    """A plan and its surroundings."""

    fleet: Fleet
    """What was planned for."""
    demand: Demand
    tiers: tuple[Tier, ...]
    choices: list[Choice]
    """The cheapest first; empty where none holds."""
    impossible: str
    """Why there is none; empty when there is."""
    nearest: Nearest | None
    latencies: dict[str, list[Latency]]
    """Of the cheapest plan, by tier."""
    risks: list[Risk]
    hosted_usd: float
    """Dollars a month if a hosted model answered everything."""
    aside_usd: float
    """Dollars a month of the requests that a hosted model answers in any case; part of every plan."""
    large: tuple[str, float | None]
    """The large model, and dollars a month if it answered all that stays."""
    break_even: float | None
    """Multiple of the traffic from which on own GPUs are cheaper than a hosted model."""
    splits: dict[float, float | None]
    no_hosting: str
    """Why no peak may go to a hosted model; empty where it may."""

    @property
    def tokens(self) -> float:
        """Prompt and output tokens of a month."""
        return tokens_per_month(weekly_requests(self.demand), self.demand.mix.even(1024))

    @property
    def too_long(self) -> dict[str, float]:
        """Tier → share of the requests that its model's context cannot hold; not planned for."""
        sample = self.demand.mix.even(1024)
        contexts = {tier.name: self.fleet.models[tier.model].context_length for tier in self.tiers}
        return {name: 1 - len(held(sample, context)) / len(sample) for name, context in contexts.items()}

    @property
    def candidates(self) -> int:
        """Setups that were judged."""
        return sum(len(tier.options) for tier in self.tiers)


def report(fleet: Fleet, folder: Path, seen: Callable[[], None] = lambda: None) -> Report:
    """Plan a fleet; ``folder`` is what its trace is relative to. Raises UsageError and CatalogError for bad input."""
    for field in ("max_gpus", "gpu_usd_per_hour", "purchase_usd"):
        by_gpu(getattr(fleet.planning, field), field)
    demand = demand_of(fleet, folder)
    tiers = search(fleet, demand, seen)
    if not tiers:
        msg = "tiers: no model that Freehold runs itself answers any of the traffic; there is nothing to plan"
        raise UsageError(msg)
    price = hosted_price(fleet)
    hosted_usd, aside_usd = all_hosted(demand, price), aside(demand, price)
    found = choices(tiers, fleet, aside_usd)
    best = found[0].tiers if found else {}
    hosting = may_host(fleet, demand)
    return Report(
        fleet=fleet,
        demand=demand,
        tiers=tiers,
        choices=found,
        impossible="" if found else because(tiers, fleet),
        nearest=None if found else nearest(fleet, demand, tiers, seen),
        latencies={tier: latencies(one) for tier, one in best.items()},
        risks=[risk for tier, one in best.items() for risk in risks(tier, one, fleet.planning, fleet.slo)],
        hosted_usd=hosted_usd,
        aside_usd=aside_usd,
        large=all_large(fleet, demand, tiers),
        break_even=break_even(tiers, demand, fleet.planning, hosted_usd - aside_usd),
        splits=splits(tiers, demand, fleet.planning),
        no_hosting=hosting if isinstance(hosting, str) else "",
    )


def in_json(facts: Report) -> dict[str, Any]:
    """Plain values; seconds, dollars, requests per second."""
    demand = facts.demand
    model, large_usd = facts.large
    return {
        "fleet": facts.fleet.name,
        "possible": bool(facts.choices),
        "impossible_because": facts.impossible,
        "nearest": _nearest(facts.nearest),
        "demand": {
            "busiest_hour": hour_name(demand.busiest),
            "busiest_requests_per_second": float(demand.rates.max()),
            "mean_requests_per_second": float(demand.rates.mean()),
            "requests_per_month": weekly_requests(demand) * MONTH_HOURS / HOURS,
            "tokens_per_month": facts.tokens,
            "shares": demand.shares,
        },
        "too_long_share": facts.too_long,
        "candidates": facts.candidates,
        "plans": [_choice(choice, facts) for choice in facts.choices],
        "latencies": {tier: [asdict(one) for one in found] for tier, found in facts.latencies.items()},
        "hosted_in_any_case_usd_month": facts.aside_usd,
        "all_hosted_usd_month": facts.hosted_usd,
        "all_large_model": model,
        "all_large_usd_month": large_usd,
        "break_even_requests_per_second": facts.break_even and facts.break_even * float(demand.rates.max()),
        "splits": [{"large_share": share, "usd_month": usd} for share, usd in facts.splits.items()],
        "sensitivity": [asdict(risk) for risk in facts.risks],
        "peaks_not_hosted_because": facts.no_hosting,
        "rejected": [
            {"tier": tier.name, "setup": str(option.setup), "why": why}
            for tier in facts.tiers
            for option, why in tier.why_not
        ],
    }


def _nearest(found: Nearest | None) -> dict[str, Any] | None:
    if found is None:
        return None
    tiers = {name: _sized(one) for name, one in found.choice.tiers.items()}
    return {"given_up": found.given_up, "usd_month": found.choice.usd, "tiers": tiers}


def _choice(choice: Choice, facts: Report) -> dict[str, Any]:
    models = {tier.name: tier.model for tier in facts.tiers}
    return {
        "usd_month": choice.usd,
        "usd_per_million_tokens": per_million(choice.usd, facts.tokens),
        "gpus": dict(choice.gpus),
        "tiers": {name: {"model": models[name], **_sized(one)} for name, one in choice.tiers.items()},
    }


def _sized(one: Sized) -> dict[str, Any]:
    replica, capacity = one.option.setup.replica, one.option.capacity
    return {
        "setup": str(one.option.setup),
        "gpu": replica.gpu.name if replica else "cpu",
        "gpus_per_replica": one.option.setup.gpus,
        "quantization": replica.quant.name if replica else "",
        "replicas_max": one.most,
        "replicas_min": int(one.replicas.min()),
        "replicas_mean": float(one.replicas.mean()),
        "gpus": one.gpus,
        "requests_per_second_per_replica": one.option.rate,
        "breaks_first": capacity.broken if capacity else "",
        "slower_by_at_most": one.option.margin.step,
        "ttft_more_by_at_most": one.option.margin.ttft,
        "prediction_rests_on": one.option.margin.support,
        "kv_tokens": one.option.timing.kv_tokens if one.option.timing else 0,
        "pay": one.pay,
        "usd_month": one.usd_month,
        "price_source": one.option.hourly.source if one.option.hourly else "",
        "hosted_usd_month": one.hosted_usd_month,
        "hosted_share": float(one.spilled.sum() / max(1e-12, one.rates.sum())),
    }
