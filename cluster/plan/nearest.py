"""When no fleet holds the promises: why, and the nearest one that could be had, with what would have to be given up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from cluster.demand import Demand
from cluster.plan.options import Option, promises
from cluster.plan.search import Choice, Tier, choices, rejected, search, tier_of
from cluster.spec import Fleet, Slo
from cluster.steady import State

_EASY: Final = 0.3
"""Share of its limit at which an engine shows what it can promise without waste."""
_ROOM: Final = 1.05
_PROMISES: Final = ("ttft_p95_s", "tpot_p95_s", "e2e_p95_s")


@dataclass(frozen=True, slots=True)
class Nearest:
    """A plan for a fleet file that asks for less."""

    given_up: str
    fleet: Fleet
    tiers: tuple[Tier, ...]
    choice: Choice


def because(tiers: tuple[Tier, ...], fleet: Fleet) -> str:
    """Why there is no plan, in one line for each tier that has none."""
    found = []
    for tier in tiers:
        if not tier.sized:
            kind, count, example = rejected(tier)[0]
            found.append(
                f"{tier.model} ({tier.name}): {kind} for {count} of {len(tier.options)} setups, the nearest {example}"
            )
    stock = ", ".join(f"{kind} {count}" for kind, count in fleet.planning.max_gpus.items())
    return "; ".join(found) or f"the tiers together need more GPUs than planning.max_gpus has ({stock})"


def nearest(
    fleet: Fleet, demand: Demand, tiers: tuple[Tier, ...], seen: Callable[[], None] = lambda: None
) -> Nearest | None:
    """The first plan for less traffic, weaker promises, more GPUs or more choices, in this order; None without any."""
    if fleet.planning.max_gpus and (less := _less(fleet, demand, tiers)):
        return less
    for given_up, other in _weaker(fleet, tiers):
        found = search(other, demand, seen)
        if chosen := choices(found, other):
            return Nearest(given_up, other, found, chosen[0])
    return None


def _less(fleet: Fleet, demand: Demand, tiers: tuple[Tier, ...]) -> Nearest | None:
    """The highest share of the traffic that the GPUs at hand do hold."""
    for percent in range(95, 0, -5):
        smaller = tuple(
            tier_of(tier.name, tier.model, list(tier.options), demand.rate(tier.name) * percent / 100, fleet.planning)
            for tier in tiers
        )
        if chosen := choices(smaller, fleet):
            return Nearest(f"for {percent} % of the traffic", fleet, smaller, chosen[0])
    return None


def _weaker(fleet: Fleet, tiers: tuple[Tier, ...]) -> Iterator[tuple[str, Fleet]]:
    planning = fleet.planning
    unlimited = planning.model_copy(update={"max_gpus": {}})
    wider = unlimited.model_copy(
        update={"gpus": (), "tensor_parallel": (1, 2, 4, 8), "quantizations": ("bf16", "fp8", "int4")}
    )
    slo = fleet.slo
    for tier in tiers:
        able = [option for option in tier.options if option.work is not None]
        if not tier.sized and able:
            slo = _kept(slo, able)
    text = [f"slo.{name} {_of(slo, name)} instead of {_of(fleet.slo, name)}" for name in _differing(slo, fleet.slo)]
    if text:
        yield ", ".join(text), fleet.model_copy(update={"slo": slo})
    if planning.max_gpus:
        yield "without planning.max_gpus", fleet.model_copy(update={"slo": slo, "planning": unlimited})
    yield (
        "with every GPU type, 1 to 8 of them a replica, and weights in bf16, fp8 or int4",
        fleet.model_copy(update={"planning": wider}),
    )


def _differing(one: Slo, other: Slo) -> list[str]:
    return [name for name in (*_PROMISES, "goodput") if getattr(one, name) != getattr(other, name)]


def _of(slo: Slo, name: str) -> str:
    return f"{getattr(slo, name):g}"


def _kept(slo: Slo, able: list[Option]) -> Slo:
    """Promises that the option which comes nearest to ``slo`` does keep under an easy load."""
    nearby = min((_promised(slo, option) for option in able), key=lambda kept: _missed(slo, kept))
    latencies = {name: max(getattr(slo, name), _rounded(seconds)) for name, seconds in nearby.items()}
    return slo.model_copy(update=latencies | ({"goodput": 0.9} if slo.goodput is not None else {}))


def _missed(slo: Slo, kept: dict[str, float]) -> float:
    return max((seconds / float(getattr(slo, name)) for name, seconds in kept.items()), default=1.0)


def _promised(slo: Slo, option: Option) -> dict[str, float]:
    if option.work is None:
        return {}
    state = State.at(option.work, np.array([_EASY * option.work.highest]))
    kept = promises(state, option.margin, 0.95)
    return {name: kept[name] * _ROOM for name in _PROMISES if getattr(slo, name) is not None}


def _rounded(seconds: float) -> float:
    """Up to two figures."""
    unit = 10.0 ** (math.floor(math.log10(seconds)) - 1)
    return float(f"{math.ceil(seconds / unit) * unit:.2g}")
