"""Everything that a month's report says, as frozen facts; ``in_json`` is its stable form for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from cluster.errors import UsageError
from cluster.report.advice import Change, advice
from cluster.report.baselines import AllClaude, AllLarge, all_claude, all_large
from cluster.report.facts import Held, Month
from cluster.report.hours import Hours, busy_hours, covered, gpu_usd, hours_of, recorded
from cluster.report.load import demand_in
from cluster.report.money import MICROS, rounded_to_cents, usd_of
from cluster.report.shares import Shares, by_day, shares_of
from cluster.spec import Fleet

PROMISES = ("ttft_p95_s", "tpot_p95_s", "e2e_p95_s", "error_rate", "goodput")
"""In the order that they are told."""
NOTHING_ASKED = "no chat model was asked anything that has tokens"


@dataclass(frozen=True, slots=True)
class Promise:
    """How one promise was held over the month."""

    name: str
    """A field of ``slo``."""
    bound_s: float | None
    """Seconds; the last that was promised, where it changed. None for a share of requests."""
    wanted: float
    asked: int
    held: int
    days_held: int
    days: int

    @property
    def share(self) -> float:
        """Of the answers that held it."""
        return self.held / self.asked


@dataclass(frozen=True, slots=True)
class Report:
    """A month."""

    fleet: Fleet
    month: Month
    shares: Shares
    days: Mapping[str, Shares]
    hours: tuple[Hours, ...]
    busy: Mapping[str, Decimal]
    """Model → GPU-hours that requests took."""
    covered: float | None
    """Share of the time since the month's first load that replicas are recorded for."""
    paid: Decimal
    """Dollars that hosted models charged for answers: the ledger's sum."""
    compared: Decimal
    """Dollars that comparing answers cost, as far as they came to a verdict."""
    gpus: Decimal | None
    """Dollars of GPUs, idle included; None where nobody recorded them or a price is missing."""
    claude: AllClaude
    large: AllLarge | str
    promises: tuple[Promise, ...]
    changes: Sequence[Change] | str

    @property
    def total(self) -> Decimal | None:
        """Dollars of everything; None while the GPUs' are unknown."""
        return None if self.gpus is None else self.gpus + self.paid + self.compared

    @property
    def saved(self) -> Decimal | None:
        """Dollars less than everything on Claude; negative where it was more."""
        return None if self.total is None or self.claude.usd is None else self.claude.usd - self.total


def report_of(month: Month, fleet: Fleet) -> Report:
    """Make a month's report; raises UsageError for a month in which nothing was asked."""
    if not month.usage:
        there = (
            f"there is something from {month.first_month} to {month.last_month}" if month.first_month else "nor before"
        )
        msg = f"{month.month}: nothing was asked of this fleet in that month; {there}"
        raise UsageError(msg)
    hours, demand = hours_of(month, fleet.planning), demand_in(month, fleet)
    span = recorded(month) or Decimal(round(month.active.total_seconds())) / 3600
    return Report(
        fleet=fleet,
        month=month,
        shares=shares_of(month),
        days=by_day(month),
        hours=hours,
        busy=busy_hours(month),
        covered=covered(month),
        paid=usd_of(sum(used.cost_micros for used in month.usage)),
        compared=usd_of(sum(one.cost_micros for one in month.quality)),
        gpus=gpu_usd(hours),
        claude=all_claude(month),
        large=all_large(fleet, demand, span) if demand else NOTHING_ASKED,
        promises=_promises(month.promises),
        changes=advice(month, fleet, demand) if demand else NOTHING_ASKED,
    )


def kept_on(held: Held) -> bool:
    """Whether a promise was kept on a day."""
    return held.held >= held.wanted * held.asked


def _promises(days: Sequence[Held]) -> tuple[Promise, ...]:
    found: dict[str, list[Held]] = {}
    for held in days:
        found.setdefault(held.promise, []).append(held)
    return tuple(_promise(name, found[name]) for name in PROMISES if sum(row.asked for row in found.get(name, ())))


def _promise(name: str, rows: Sequence[Held]) -> Promise:
    kept: dict[date, bool] = {}
    for row in rows:
        kept[row.day] = kept.get(row.day, True) and kept_on(row)
    asked, held = sum(row.asked for row in rows), sum(row.held for row in rows)
    return Promise(name, rows[-1].bound_s, rows[-1].wanted, asked, held, sum(kept.values()), len(kept))


def in_json(report: Report) -> dict[str, Any]:
    """Plain values: dollars as text with cents, the ledger's sums also in whole millionths of a dollar."""
    month, shares, claude = report.month, report.shares, report.claude
    return {
        "version": 1,
        "fleet": report.fleet.name,
        "month": month.month,
        "since": month.since.isoformat(),
        "until": month.until.isoformat(),
        "whole": month.whole,
        "shares": {
            **asdict(shares),
            "by_requests": shares.by_requests,
            "by_tokens": shares.by_tokens,
            "kept": shares.kept,
            "sovereignty": shares.sovereignty,
        },
        "egress": [left.model_dump() for left in month.egress],
        "paid_micros": int(report.paid * MICROS),
        "compared_micros": int(report.compared * MICROS),
        "all_claude_micros": None if claude.usd is None else int(claude.usd * MICROS),
        "all_claude_days_without": claude.days_without,
        "paid_usd": _text(report.paid),
        "compared_usd": _text(report.compared),
        "gpu_usd": _text(report.gpus),
        "total_usd": _text(report.total),
        "all_claude_usd": _text(claude.usd),
        "saved_usd": _text(report.saved),
        "all_large": _large(report.large),
        "recorded_share": report.covered,
        "replicas": [_hours(one) for one in report.hours],
        "quality": [one.model_dump() for one in month.quality],
        "promises": [{**asdict(one), "share": one.share} for one in report.promises],
        "promise_days": [one.model_dump(mode="json") for one in month.promises],
        "tenants": [one.model_dump() for one in month.tenants],
        "changes": [] if isinstance(report.changes, str) else [asdict(one) for one in report.changes],
        "no_changes_because": report.changes if isinstance(report.changes, str) else "",
    }


def _text(usd: Decimal | None) -> str | None:
    return None if usd is None else str(rounded_to_cents(usd))


def _large(large: AllLarge | str) -> dict[str, Any]:
    if isinstance(large, str):
        return {"unknown_because": large}
    return {**asdict(large), "low": _text(large.low), "high": _text(large.high)}


def _hours(one: Hours) -> dict[str, Any]:
    names = ("replicas", "always", "saved", "gpus")
    figures = {f"{name}_hours": float(round(getattr(one, name), 4)) for name in names}
    price = None if one.usd_per_hour is None else str(one.usd_per_hour)
    return {"model": one.model, "gpu": one.gpu, **figures, "usd_per_gpu_hour": price, "usd": _text(one.usd)}
