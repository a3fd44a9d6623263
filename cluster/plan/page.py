"""A plan as one HTML page: no scripts, nothing loaded from elsewhere, plots as SVG within."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

import numpy as np

from cluster.cost import per_million
from cluster.demand import HOURS
from cluster.drawing import Floats, bars, document, lines, table
from cluster.plan.outlook import DAYS, hour_name
from cluster.plan.report import Report
from cluster.plan.search import Choice, rejected
from cluster.plan.sizing import Sized
from cluster.spec import Slo
from cluster.steady import State, percentile

_RATES: Final = 40


def page(facts: Report) -> str:
    """The whole page."""
    return document(f"Plan of {facts.fleet.name}", [*_asked(facts), *_found(facts), *_rejected(facts)])


def _asked(facts: Report) -> Iterator[str]:
    demand = facts.demand
    yield (
        f"<p>{demand.rates.max():.3g} requests/s on {hour_name(demand.busiest)}, {demand.rates.mean():.3g} on average, "
        f"{facts.tokens / 1e6:,.0f} million tokens a month. {facts.candidates} setups were judged.</p>"
    )


def _found(facts: Report) -> Iterator[str]:
    if facts.choices:
        best = facts.choices[0]
        yield "<h2>The cheapest plans that hold every promise</h2>"
        yield table(("replicas", "GPUs", "dollars a month", "per million tokens"), _rows(facts))
        yield from _plots(facts, best)
        yield "<h2>What would break it</h2>"
        yield "<ul>" + "".join(f"<li>{escape(risk.tier)}: {escape(risk.text)}</li>" for risk in facts.risks) + "</ul>"
        return
    yield f"<p><strong>Impossible, because {escape(facts.impossible)}.</strong></p>"
    if facts.nearest:
        parts = ", ".join(_replicas(name, one) for name, one in facts.nearest.choice.tiers.items())
        given_up = escape(facts.nearest.given_up)
        yield f"<p>The nearest plan, {given_up}: {escape(parts)}, {facts.nearest.choice.usd:,.0f} dollars a month.</p>"


def _rows(facts: Report) -> Iterator[tuple[str, ...]]:
    for choice in facts.choices:
        parts = "; ".join(_replicas(name, one) for name, one in choice.tiers.items())
        each = per_million(choice.usd, facts.tokens)
        yield parts, str(sum(choice.gpus.values())), f"{choice.usd:,.0f}", f"{each:.3f}"


def _replicas(name: str, one: Sized) -> str:
    return f"{name}: {one.most} x ({one.option.setup})"


def _plots(facts: Report, best: Choice) -> Iterator[str]:
    model, large = facts.large
    money = {"this plan": best.usd, "all hosted": facts.hosted_usd}
    yield bars("What it costs", money | ({f"all {model}": large} if large is not None else {}), "dollars a month")
    if any(usd is not None for usd in facts.splits.values()):
        shares = {f"{share:.0%}": usd for share, usd in facts.splits.items() if usd is not None}
        yield bars("By the share of the large tier", shares, "dollars a month")
    for name, one in best.tiers.items():
        asked: dict[str, Floats] = {"asked": one.rates, "the replicas' limit": one.limits}
        if one.spilled.any():
            asked["to the hosted model"] = one.spilled
        yield lines(f"{name}: a week", np.arange(HOURS, dtype=np.float64), asked, "requests/s", DAYS)
        yield from _curves(name, one, facts.fleet.slo)


def _curves(name: str, one: Sized, slo: Slo) -> Iterator[str]:
    """Latency by load of one replica, as sized, up to a little beyond what it takes at the promises."""
    work = one.option.work
    if work is None:
        return
    rates = np.linspace(0.01, min(1.1 * one.option.rate, 0.99 * work.highest), _RATES)
    state = State.at(work, rates)
    for figure, within, promised, more in (
        ("TTFT", state.ttft_within, slo.ttft_p95_s, one.option.margin.ttft),
        ("TPOT", state.tpot_within, slo.tpot_p95_s, 1.0),
    ):
        shares = {f"{figure} p95": 0.95, "p50": 0.5}
        curves = {label: percentile(within, share, _RATES) * more for label, share in shares.items()}
        curves |= {"promised": np.full(_RATES, promised)} if promised else {}
        yield lines(f"{name}: {figure} at the prediction's upper end, by requests/s of a replica", rates, curves, "s")


def _rejected(facts: Report) -> Iterator[str]:
    rows = [(tier.name, *map(str, reason)) for tier in facts.tiers for reason in rejected(tier)]
    if rows:
        yield "<h2>Why the other setups do not hold</h2>"
        yield table(("tier", "reason", "setups", "nearest"), rows)
