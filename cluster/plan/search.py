"""The tiers put together: the cheapest fleets that hold every promise within the GPUs that can be had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Final

from cluster.cost import by_gpu, hosted_price, usd_per_request
from cluster.demand import Demand
from cluster.demand.lengths import Floats
from cluster.plan.options import Option, options
from cluster.plan.sizing import Hosted, Sized, sized
from cluster.spec import SPILLOVER, Fleet, Planning, Trigger

TIERS: Final = ("small", "large")
_PLANS: Final = 5
"""Plans that are shown."""
_PEAKED: Final = 12
"""Cheapest options of a tier for which a hosted model for the peaks is looked at."""
_COMBINED: Final = 20_000
"""Combinations of tiers that are looked at before the GPUs that can be had are said not to suffice."""


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier's search."""

    name: str
    model: str
    """The name of its first model that Freehold runs; it is planned to take the whole tier."""
    options: tuple[Option, ...]
    sized: tuple[Sized, ...]
    """The cheapest first; those that can be had."""
    why_not: tuple[tuple[Option, str], ...]
    """The others, with their reasons."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A whole fleet."""

    tiers: dict[str, Sized]
    aside_usd: float = 0
    """Dollars a month of the requests that go to a paid model whatever the load is."""

    @property
    def usd(self) -> float:
        """Dollars a month, all of it."""
        return self.aside_usd + sum(one.usd for one in self.tiers.values())

    @property
    def gpus(self) -> Counter[str]:
        """GPUs of each type in the busiest hour."""
        found: Counter[str] = Counter()
        for one in self.tiers.values():
            if one.option.setup.gpu:
                found[one.option.setup.gpu.name] += one.gpus
        return found


def search(fleet: Fleet, demand: Demand, seen: Callable[[], None] = lambda: None) -> tuple[Tier, ...]:
    """Every tier with traffic and a model of ours, each option judged and sized; ``seen`` is called after each."""
    hosted = may_host(fleet, demand)
    tiers = []
    for name in TIERS:
        models = [model for model in fleet.tiers_by_name()[name] if fleet.models[model].runs_here]
        if models and demand.shares.get(name, 0) > 0:
            judged = []
            for option in options(fleet.models[models[0]], fleet.planning, demand.mix, fleet.slo):
                judged.append(option)
                seen()
            peaks = hosted if isinstance(hosted, Hosted) else None
            tiers.append(tier_of(name, models[0], judged, demand.rate(name), fleet.planning, peaks))
    return tuple(tiers)


def tier_of(  # noqa: PLR0913, PLR0917 - what a tier's search has found so far
    name: str, model: str, judged: list[Option], rates: Floats, planning: Planning, hosted: Hosted | None = None
) -> Tier:
    """A tier from its judged options."""
    local = sorted((sized(option, rates, planning) for option in judged if not option.why_not), key=lambda one: one.usd)
    peaked = [sized(one.option, rates, planning, hosted) for one in local[:_PEAKED]] if hosted else []
    stock = by_gpu(planning.max_gpus, "max_gpus")
    had, refused = [], [(option, option.why_not) for option in judged if option.why_not]
    for one in sorted([*peaked, *local[len(peaked) :]], key=lambda one: one.usd):
        why = one.why_not or _over(one, stock)
        if why:
            refused.append((one.option, why))
        else:
            had.append(one)
    return Tier(name, model, tuple(judged), tuple(had), tuple(refused))


def _over(one: Sized, stock: dict[str, int]) -> str:
    kind = one.option.setup.gpu.name if one.option.setup.gpu else ""
    if one.gpus <= stock.get(kind, one.gpus):
        return ""
    return f"too many: needs {one.gpus} {kind}, planning.max_gpus has {stock[kind]}"


def choices(tiers: tuple[Tier, ...], fleet: Fleet, aside_usd: float = 0) -> list[Choice]:
    """The cheapest fleets, one option a tier, within ``planning.max_gpus``."""
    stock = by_gpu(fleet.planning.max_gpus, "max_gpus")
    found: list[Choice] = []
    for choice in _cheapest_first(tiers):
        if all(count <= stock.get(kind, count) for kind, count in choice.gpus.items()):
            found.append(replace(choice, aside_usd=aside_usd))
        if len(found) == _PLANS:
            break
    return found


def _cheapest_first(tiers: tuple[Tier, ...]) -> Iterator[Choice]:
    """Combinations in the order of their price: from each, the next dearer option of one tier leads on."""
    if not tiers or not all(tier.sized for tier in tiers):
        return
    start = (0,) * len(tiers)
    heap, known = [(_at(tiers, start).usd, start)], {start}
    while heap and len(known) < _COMBINED:
        _, places = heappop(heap)
        yield _at(tiers, places)
        for tier in range(len(tiers)):
            following = tuple(place + (tier == other) for other, place in enumerate(places))
            if following not in known and following[tier] < len(tiers[tier].sized):
                known.add(following)
                heappush(heap, (_at(tiers, following).usd, following))


def _at(tiers: tuple[Tier, ...], places: tuple[int, ...]) -> Choice:
    return Choice({tier.name: tier.sized[place] for tier, place in zip(tiers, places, strict=True)})


def may_host(fleet: Fleet, demand: Demand) -> Hosted | str:
    """What the chain may take over in busy hours, or why it may nothing: triggers, permission, budget."""
    spill = fleet.spillover
    slow = Trigger.SLOW in spill.when and spill.ttft_seconds is not None
    if not spill.chain:
        return "spillover.chain is empty"
    if not (slow or Trigger.DOWN in spill.when):
        return "spillover.when names neither down nor slow with ttft_seconds"
    day = spill.open_usd_per_day
    if fleet.tenants.access == "keys":
        plan, budget = fleet.tenants.plans[fleet.tenants.default_plan], fleet.tenants.budget
        if not plan.egress:
            return f"plan {fleet.tenants.default_plan!r} has no egress"
        day = min(budget.usd_per_day, budget.usd_per_month * 12 / 365)
    each = usd_per_request(hosted_price(fleet), demand.mix.even(256))
    day -= demand.rate(SPILLOVER).max() * 24 * 3600 * each
    return Hosted(each, day) if day > 0 else "no budget is left for it: spillover.open_usd_per_day, or tenants.budget"


def rejected(tier: Tier) -> list[tuple[str, int, str]]:
    """Kinds of reasons, how many setups have them, and the one that came nearest, the most frequent first."""
    kinds: dict[str, list[tuple[Option, str]]] = {}
    for option, why in tier.why_not:
        kinds.setdefault(why.partition(": ")[0], []).append((option, why.partition(": ")[2]))
    found = []
    for kind, ones in sorted(kinds.items(), key=lambda item: -len(item[1])):
        option, why = min(ones, key=lambda one: one[0].missed)
        found.append((kind, len(ones), f"{option.setup}: {why}"))
    return found
