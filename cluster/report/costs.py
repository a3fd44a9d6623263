"""The report's tables of money: what was paid, what it would have cost elsewhere, and who used it."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from cluster.report.facts import COMPLETE, NOT_LAST, TenantUse
from cluster.report.hours import Hours
from cluster.report.money import in_cents, usd_of
from cluster.report.parts import Bars, Part, Table, percent
from cluster.report.report import Report
from cluster.report.shares import is_local

_TENANTS: Final = 50
"""Who used the most tokens is named; all others are one row."""


def costs(report: Report) -> Iterator[Part]:
    """What was paid, line by line, beside what everything on Claude and on a 70B model would have cost."""
    yield Table(("paid", "", "USD"), (*_gpu_rows(report), *_hosted_rows(report)), words=2)
    yield from _gpu_words(report)
    yield Table(("instead", "", "USD"), tuple(_baselines(report)), words=2)
    known = {
        "paid": report.total,
        "all on Claude": report.claude.usd,
        "all large, at most": None if isinstance(report.large, str) else report.large.high,
    }
    yield Bars("What it cost", {name: float(usd) for name, usd in known.items() if usd is not None}, "dollars")


def _gpu_rows(report: Report) -> Iterator[tuple[str, ...]]:
    for one in report.hours:
        price = one.no_price or f"{one.gpus:,.2f} GPU-hours at {in_cents(one.usd_per_hour)}, {_busy(report, one)}"
        yield f"GPUs of {one.model} ({one.gpu})", price if one.gpu != "cpu" else "no GPU", in_cents(one.usd)
    if not report.hours:
        yield "GPUs", "nobody recorded how many replicas ran", in_cents(None)


def _busy(report: Report, one: Hours) -> str:
    """How much of the time requests were under way; the rest is idle, and paid all the same."""
    busy = report.busy.get(one.model, Decimal(0))
    alone = sum(other.model == one.model for other in report.hours) == 1
    return f"{percent(min(1.0, float(busy / one.gpus)))} busy" if one.gpus and alone else "idle included"


def _hosted_rows(report: Report) -> Iterator[tuple[str, ...]]:
    paid: dict[str, int] = {}
    for used in report.month.usage:
        if used.cost_micros or used.model in report.month.outside:
            paid[used.model] = paid.get(used.model, 0) + used.cost_micros
    for model, micros in sorted(paid.items()):
        yield f"answers of {model}", "by the ledger", in_cents(usd_of(micros))
    if report.compared:
        yield "comparing answers", "those that came to a verdict", in_cents(report.compared)
    yield "total", "", in_cents(report.total)


def _gpu_words(report: Report) -> Iterator[Part]:
    if report.hours and report.covered is not None and report.covered < 1:
        yield (
            f"Replicas are recorded for {percent(report.covered)} of the time since the month's first request; GPUs "
            "are counted for that part alone."
        )
    if any(one.gpu == "cpu" for one in report.hours):
        yield "Models on a CPU have no price here: the machine that they run on is not counted."


def _baselines(report: Report) -> Iterator[tuple[str, ...]]:
    claude, large = report.claude, report.large
    why = "every answer at spillover.baseline, by the ledger" if claude.usd is not None else "set spillover.baseline"
    if claude.usd is not None and claude.days_without:
        why += f"; {claude.days_without} days had no price list and are missing"
    yield "all on Claude", why, in_cents(claude.usd)
    if isinstance(large, str):
        yield "all on a large model", large, in_cents(None)
    else:
        needs = f"{large.replicas} x ({large.setup}) in the busiest hour, by the planner"
        yield f"all on {large.model}", needs, f"{in_cents(large.low)} to {in_cents(large.high)}"
    yield "saved against all on Claude", "", in_cents(report.saved)


def tenants(report: Report) -> Iterator[Part]:
    """Who used how much, and what it cost with hosted models and would have cost with all on Claude."""
    found: dict[str, list[TenantUse]] = {}
    for use in report.month.tenants:
        found.setdefault(use.tenant, []).append(use)
    most = sorted(found, key=lambda tenant: (-sum(use.tokens for use in found[tenant]), tenant))
    rows = [(tenant, *_tenant(found[tenant], report)) for tenant in most[:_TENANTS]]
    if others := [use for tenant in most[_TENANTS:] for use in found[tenant]]:
        rows.append((f"{len(most) - _TENANTS} others", *_tenant(others, report)))
    rows.append(("all", *_tenant([*report.month.tenants], report)))
    yield Table(
        ("tenant", "requests", "answers", "on the site", "tokens", "hosted USD", "all on Claude USD"), tuple(rows)
    )


def _tenant(uses: list[TenantUse], report: Report) -> tuple[str, ...]:
    whole = [use for use in uses if use.outcome == COMPLETE]
    answers = sum(use.requests for use in whole)
    local = sum(use.requests for use in whole if is_local(use.model, use.reason, report.month))
    baseline = sum(use.baseline_micros for use in uses)
    return (
        f"{sum(use.requests for use in uses if use.outcome not in NOT_LAST):,}",
        f"{answers:,}",
        percent(local / answers) if answers else "-",
        f"{sum(use.tokens for use in whole):,}",
        in_cents(usd_of(sum(use.cost_micros for use in uses))),
        in_cents(usd_of(baseline) if report.claude.usd is not None else None),
    )
