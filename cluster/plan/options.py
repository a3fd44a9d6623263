"""How much each setup of a model takes at the promises, and what an hour of it costs; or why it is no option.

Sized carefully: capacity is that of an engine that is as slow as the upper end of the prediction's interval says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from cluster.cost import Hourly, hourly
from cluster.demand import Mix, Requests
from cluster.errors import CatalogError
from cluster.latency.replica import replica_of, timing_for, timing_of
from cluster.latency.timing import EngineTiming
from cluster.plan.margin import Margin, margin
from cluster.plan.setups import Setup, setups
from cluster.spec import Model, Pay, Planning, Slo
from cluster.steady import Capacity, Slower, State, Work, attained, capacity, percentile

_SAMPLE: Final = 320
"""Requests that stand for all. Capacities are within 3 % of those by ten times as many; with 100 some are 30 % off."""
FREE: Final = Hourly(dict.fromkeys(Pay, 0.0), "this machine")


@dataclass(frozen=True, slots=True)
class Option:
    """A setup, judged."""

    setup: Setup
    hourly: Hourly | None = None
    """Per GPU; None without a price."""
    timing: EngineTiming | None = None
    """As expected, not as sized; None where it does not fit."""
    margin: Margin = field(default_factory=Margin)
    work: Work | None = None
    """At the upper end of the interval."""
    capacity: Capacity | None = None
    """Requests per second of one replica; None where it does not fit."""
    why_not: str = ""
    """Begins with the kind of the reason, up to the first colon; empty for an option."""
    missed: float = 1.0
    """The broken promise with one request at a time, as a multiple of what was promised."""

    @property
    def rate(self) -> float:
        """Requests per second of one replica at the promises; 0 where it is no option."""
        return self.capacity.rate if self.capacity else 0.0

    @property
    def usd_per_hour(self) -> dict[Pay, float]:
        """Of one replica."""
        known = self.hourly or FREE
        return {pay: usd * self.setup.gpus for pay, usd in known.usd.items()}


def options(model: Model, planning: Planning, mix: Mix, slo: Slo) -> Iterator[Option]:
    """Every setup of a model, judged for requests that its context can hold."""
    requests = held(mix.even(_SAMPLE), model.context_length)
    for setup in setups(model, planning):
        yield judged(setup, model, planning, requests, slo)


def present(model: Model, planning: Planning, mix: Mix, slo: Slo) -> Option:
    """The setup that the fleet file has, judged alike; raises CatalogError where there are no figures for it."""
    setup = Setup(None if model.accelerator.type == "cpu" else replica_of(model))
    return judged(setup, model, planning, held(mix.even(_SAMPLE), model.context_length), slo)


def as_expected(option: Option, slo: Slo) -> Option:
    """An option by the middle of its prediction instead of the upper end of the interval."""
    if option.timing is None or option.work is None:
        return option
    work = Work.of(option.timing, option.work.requests)
    return replace(option, margin=Margin(1, 1, option.margin.support), work=work, capacity=capacity(work, slo))


def judged(setup: Setup, model: Model, planning: Planning, requests: Requests, slo: Slo) -> Option:
    """One setup."""
    try:
        timing: EngineTiming = timing_for(setup.replica) if setup.replica else timing_of(model)
    except CatalogError as exc:
        kind = "does not fit" if setup.replica else "no data"
        return Option(setup, why_not=f"{kind}: {str(exc).removeprefix('accelerator: ')}")
    try:
        price = hourly(setup.gpu, planning) if setup.gpu else FREE
    except CatalogError as exc:
        return Option(setup, timing=timing, why_not=f"no price: {exc}")
    if not len(requests):
        return Option(setup, price, timing, why_not="context: every request is longer than context_length")
    longest = int((requests.prompt_tokens + requests.output_tokens).max())
    if longest > timing.kv_tokens:
        why = f"does not fit: a request of {longest} tokens is more than its KV cache of {timing.kv_tokens}"
        return Option(setup, price, timing, why_not=why)
    safe = margin(setup.replica) if setup.replica else Margin()
    work = Work.of(Slower(timing, safe.step), requests)
    found = capacity(work, safe.tightened(slo))
    if found.rate:
        return Option(setup, price, timing, safe, work, found)
    alone, why = _alone(work, slo, safe, found.broken)
    return Option(setup, price, timing, safe, work, found, f"slo.{found.broken}: {why}", alone)


def _alone(work: Work, slo: Slo, safe: Margin, broken: str) -> tuple[float, str]:
    """What a broken promise comes to with hardly any load, as a multiple of the promise and in words."""
    state = State.at(work, np.array([work.highest / 1000]))
    if broken == "goodput":
        share = float(next(one.share[0] for one in attained(state, safe.tightened(slo)) if one.promise == broken))
        wanted = slo.goodput or 1
        return 2 - share / wanted, f"{share:.1%} of requests with one at a time, promised are {wanted:.1%}"
    seconds, limit = promises(state, safe, 0.95)[broken], float(getattr(slo, broken))
    return seconds / limit, f"{seconds:.3g} s with one request at a time, promised are {limit:g} s"


def promises(state: State, safe: Margin, share: float) -> dict[str, float]:
    """By field of ``slo``: the seconds within which ``share`` of the requests are, at the state's first rate."""
    ways = {"ttft_p95_s": state.ttft_within, "tpot_p95_s": state.tpot_within, "e2e_p95_s": state.e2e_within}
    found = {name: float(percentile(within, share, len(state.rates))[0]) for name, within in ways.items()}
    return found | {"ttft_p95_s": found["ttft_p95_s"] * safe.ttft}


def held(requests: Requests, context: int) -> Requests:
    """Those that fit into a context; the router sends the others elsewhere."""
    kept = np.flatnonzero(requests.prompt_tokens + requests.output_tokens <= context)
    return Requests(requests.prompt_tokens[kept], requests.output_tokens[kept], requests.cached_tokens[kept])
