"""A plan as tables and sentences."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cluster.cli.tables import show
from cluster.cost import per_million
from cluster.plan.outlook import hour_name
from cluster.plan.report import Report
from cluster.plan.search import Choice, rejected
from cluster.spec import Pay


def show_report(facts: Report) -> None:
    """Print everything, what matters most first."""
    click.echo(_asked(facts))
    for tier, share in facts.too_long.items():
        if share:
            click.echo(f"  {tier}: {share:.1%} of the requests are longer than its context_length; not planned for")
    if facts.choices:
        click.echo("\nThe cheapest plans that hold every promise, in dollars a month:")
        show(_plans(facts))
        click.echo("The first of them:")
        show(_tiers(facts, facts.choices[0]))
        show(_latencies(facts))
        for tier, one in facts.choices[0].tiers.items():
            click.echo(
                f"  {tier}: sized for steps {one.option.margin.step:.2f} times as long; {one.option.margin.support}"
            )
        for line in _compared(facts):
            click.echo(line)
        click.echo("\nWhat would break it:")
        for risk in facts.risks:
            click.echo(f"  {risk.tier}: {risk.text}")
    elif facts.nearest:
        click.echo(f"\nNo plan holds. The nearest one, {facts.nearest.given_up}:")
        show(_tiers(facts, facts.nearest.choice))
    else:
        click.echo("\nNo plan holds, and none would with weaker promises or other GPUs of the catalogue.")
    click.echo("\nWhy the other setups do not:")
    show(_rejected(facts))


def _asked(facts: Report) -> str:
    demand = facts.demand
    shares = ", ".join(f"{share:.0%} {tier}" for tier, share in demand.shares.items() if share)
    rates = f"{demand.rates.max():.3g} requests/s on {hour_name(demand.busiest)}, {demand.rates.mean():.3g} on average"
    return f"{facts.fleet.name}: {rates}; {shares}; {facts.candidates} setups judged"


def _plans(facts: Report) -> Table:
    table = Table(box=SIMPLE_HEAD)
    for tier in facts.tiers:
        table.add_column(f"{tier.name}: replicas")
    for name in ("GPUs", "on demand", "autoscaled", "reserved", "owned", "hosted", "month", "per M tokens"):
        table.add_column(name, justify="right")
    for choice in facts.choices:
        parts = [f"{one.most} x ({one.option.setup})" for one in choice.tiers.values()]
        ways = (Pay.ON_DEMAND.value, "autoscaled", Pay.RESERVED.value, Pay.OWNED.value)
        usd = [sum(one.usd_month[way] for one in choice.tiers.values()) for way in ways]
        hosted = choice.aside_usd + sum(one.hosted_usd_month for one in choice.tiers.values())
        money = [f"{value:,.0f}" for value in (*usd, hosted, choice.usd)]
        table.add_row(*parts, str(sum(choice.gpus.values())), *money, f"{per_million(choice.usd, facts.tokens):.3f}")
    return table


def _tiers(facts: Report, choice: Choice) -> Table:
    table = Table("tier", "model", "replica", box=SIMPLE_HEAD)
    for name in ("replicas", "on average", "requests/s each", "KV tokens", "breaks first", "to hosted", "month"):
        table.add_column(name, justify="right")
    models = {tier.name: tier.model for tier in facts.tiers}
    for name, one in choice.tiers.items():
        option = one.option
        table.add_row(
            *(name, models[name], str(option.setup), str(one.most), f"{one.replicas.mean():.1f}", f"{option.rate:.2f}"),
            f"{option.timing.kv_tokens:,}" if option.timing else "-",
            option.capacity.broken if option.capacity else "-",
            f"{one.spilled.sum() / one.rates.sum():.1%}",
            f"{one.usd:,.0f}",
        )
    return table


def _latencies(facts: Report) -> Table:
    table = Table("tier", "fullest hour", box=SIMPLE_HEAD)
    for name in ("p50", "p95", "p95 at most", "promised"):
        table.add_column(name, justify="right")
    for tier, found in facts.latencies.items():
        for one in found:
            promised = getattr(facts.fleet.slo, f"{one.name}_p95_s")
            values = (one.p50_s, one.p95_s, one.upper_p95_s, promised)
            table.add_row(tier, one.name.upper(), *("-" if value is None else f"{value:.3g} s" for value in values))
    return table


def _compared(facts: Report) -> Iterator[str]:
    best = facts.choices[0].usd
    model, large = facts.large
    yield f"Everything hosted: {facts.hosted_usd:,.0f} a month ({_times(facts.hosted_usd, best)} of the plan)."
    if large is not None:
        yield f"Everything local on {model}: {large:,.0f} a month ({_times(large, best)})."
    if facts.break_even is None:
        yield "A hosted model is cheaper at any traffic."
    else:
        rate = facts.break_even * facts.demand.rates.max()
        yield f"Own GPUs are cheaper than a hosted model from {rate:.3g} requests/s in the busiest hour on."
    if facts.splits:
        known = (f"{share:.0%}: {usd:,.0f}" for share, usd in facts.splits.items() if usd is not None)
        yield f"A month by the large tier's share: {', '.join(known)}."
    yield f"Dollars an hour on demand: {'; '.join(_prices(facts.choices[0])) or 'nothing, on this machine'}."
    if facts.no_hosting:
        yield f"No peak goes to a hosted model: {facts.no_hosting}."


def _prices(choice: Choice) -> Iterator[str]:
    """What an hour on demand costs, and who says so."""
    options = {one.option.setup.gpu.name: one.option for one in choice.tiers.values() if one.option.setup.gpu}
    for name, option in options.items():
        if option.hourly:
            yield f"{name} {option.hourly.usd[Pay.ON_DEMAND]:.2f} ({option.hourly.source})"


def _times(usd: float, plan: float) -> str:
    return f"{usd / plan:.3g} times" if plan else "the plan costs nothing"


def _rejected(facts: Report) -> Table:
    table = Table("tier", "reason", "setups", "nearest", box=SIMPLE_HEAD)
    for tier in facts.tiers:
        for kind, count, example in rejected(tier):
            table.add_row(tier.name, kind, str(count), example)
    return table
