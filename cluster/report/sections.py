"""A report in words and tables: one list of sections, of which markdown and HTML are two drawings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np

from cluster.drawing import Floats
from cluster.report.costs import costs, tenants
from cluster.report.facts import JUDGED, Judged, Share
from cluster.report.money import in_cents
from cluster.report.parts import Curves, Part, Table, percent
from cluster.report.report import Promise, Report, kept_on
from cluster.report.shares import Shares

WHY: Final = {
    "named": "the caller named the model",
    "tier": "the caller named the tier",
    "route": "the caller named a route",
    "rule": "a rule of routing.rules holds",
    "pinned": "the conversation so far was answered there",
    "spill-unable": "no local model can do what it needs",
    "spill-down": "no local model answered, or had room",
    "spill-slow": "every local model would have taken too long",
    "spill-hard": "it looked harder than spill_above",
    "quality-reference": "an answer of ours was sampled, to be compared",
    "quality-judge": "two answers were compared",
}
"""Reasons of what left, in words; a reason that is not here stands for itself."""
_NAMES: Final = {
    "ttft_p95_s": "time to first token",
    "tpot_p95_s": "time per output token",
    "e2e_p95_s": "whole answer",
    "error_rate": "no error",
    "goodput": "every latency at once",
}
_COVERED: Final = 0.99
"""Where replicas are recorded for less of the time, sums say so."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report with a heading."""

    title: str
    parts: tuple[Part, ...]


def title_of(report: Report) -> str:
    """Of the whole report."""
    return f"Report of {report.fleet.name}, {report.month.month}"


def sections_of(report: Report) -> list[Section]:
    """Everything, what is signed for first."""
    told = {
        "In short": _short(report),
        "What stayed, and what left": _left(report),
        "What it cost": costs(report),
        "By tenant": tenants(report),
        "How good the answers were": _quality(report.month.quality),
        "What was promised": _promised(report),
        "What autoscaling saved": _scaling(report),
        "What to change next": _changes(report),
        "Signed": iter([f"Name {'.' * 40}  Date {'.' * 20}  Signature {'.' * 40}"]),
    }
    return [Section(title, tuple(parts)) for title, parts in told.items()]


def _short(report: Report) -> Iterator[Part]:
    month = report.month
    last = (month.until - timedelta(microseconds=1)).date()
    span = f"{month.since.date()} to {last}, UTC"
    yield (
        f"{span}: the whole month."
        if month.whole
        else f"{span}: the month is not over. All figures are of its part until {month.until:%Y-%m-%d %H:%M}."
    )
    yield Table(("", "this month"), (*_stayed(report.shares), *_paid(report), *_kept(report)), words=2)


def _stayed(shares: Shares) -> Iterator[tuple[str, str]]:
    yield "sovereignty", "-" if shares.sovereignty is None else f"{shares.sovereignty:.1f} of 100"
    for name, share, part, whole in (
        ("answers given on the site", shares.by_requests, shares.local_answers, shares.answers),
        ("tokens computed on the site", shares.by_tokens, shares.local_tokens, shares.tokens),
        ("requests of which nothing left", shares.kept, max(0, shares.requests - shares.left), shares.requests),
    ):
        yield name, f"{percent(share)} ({part:,} of {whole:,})"


def _paid(report: Report) -> Iterator[tuple[str, str]]:
    but = _but(report)
    yield "paid for GPUs and hosted models", f"{in_cents(report.total)}{but}"
    yield "the same, all on Claude", in_cents(report.claude.usd)
    yield "saved", f"{in_cents(report.saved)}{but}"


def _kept(report: Report) -> Iterator[tuple[str, str]]:
    for judged in report.month.quality:
        if judged.source == JUDGED:
            yield f"{judged.heading} as good as {judged.reference}, or better", _share(judged.quality_share)
    for one in report.promises:
        yield f"promise: {_name(one)}", f"held by {percent(one.share)}, on {_days(one)} days"


def _but(report: Report) -> str:
    """What the sums leave out, in the words that stand beside them."""
    if report.gpus is None:
        return ""
    part = report.covered is not None and report.covered < _COVERED
    cpu = any(one.gpu == "cpu" for one in report.hours)
    said = (", GPUs of the recorded time alone" if part else "", ", machines without GPUs not counted" if cpu else "")
    return "".join(said)


def _left(report: Report) -> Iterator[Part]:
    yield _by_day(report.days)
    if not report.month.egress:
        yield "Nothing left the site."
        return
    rows = [
        (
            left.model,
            left.host,
            ": ".join(filter(None, (left.reason, WHY.get(left.reason)))),
            f"{left.requests:,}",
            f"{left.bodies:,}",
            f"{left.bytes:,}",
        )
        for left in sorted(report.month.egress, key=lambda one: -one.bytes)
    ]
    bodies, size = (sum(getattr(one, name) for one in report.month.egress) for name in ("bodies", "bytes"))
    rows.append(("all", "", "", f"{report.shares.left:,}", f"{bodies:,}", f"{size:,}"))
    yield Table(("model", "host", "reason", "requests", "bodies", "bytes"), tuple(rows), words=3)
    yield "A request can leave more than once, so requests add up to more than all of them."


def _by_day(days: Mapping[str, Shares]) -> Curves:
    """A place for each day, from half a day before the first to half a day after the last."""
    answered = {
        "by requests": [None, *(one.by_requests for one in days.values()), None],
        "by tokens": [None, *(one.by_tokens for one in days.values()), None],
    }
    curves: Mapping[str, Floats] = {
        name: np.array([np.nan if one is None else 100 * one for one in column]) for name, column in answered.items()
    }
    across = np.array([0.5, *range(1, len(days) + 1), len(days) + 0.5])
    names = tuple(str(number) for number in range(1, len(days) + 1))
    return Curves("Answered on the site, by day of the month", across, curves, "percent", names)


def _quality(judged: tuple[Judged, ...]) -> Iterator[Part]:
    if not judged:
        yield "Unknown: no answer of this month was compared, and no caller said anything (quality in the fleet file)."
        return
    rows = [
        (
            one.heading or "-",
            one.reference or "what callers say",
            f"{one.labels:,}",
            _share(one.quality_share),
            _share(one.win_rate),
        )
        for one in judged
    ]
    yield Table(("tier", "against", "sample", "as good or better", "win rate, ties half"), tuple(rows), words=5)
    yield "In brackets the 95 % interval; without one, the sample is too small for it."


def _share(share: Share) -> str:
    if share.low is None or share.high is None:
        return percent(share.value)
    return f"{percent(share.value)} ({percent(share.low)} to {percent(share.high)})"


def _promised(report: Report) -> Iterator[Part]:
    if not report.promises:
        yield "Unknown: nothing was promised (slo in the fleet file), or no answer could be judged by it."
        return
    rows = [
        (_name(one), percent(one.wanted), percent(one.share), f"{one.asked:,}", _days(one)) for one in report.promises
    ]
    yield Table(("promise", "wanted of", "held by", "answers", "days held"), tuple(rows))
    days = sorted({held.day for held in report.month.promises})
    names = [one.name for one in report.promises]
    shares = {
        (held.day, held.promise): f"{percent(held.held / held.asked)}{'' if kept_on(held) else ' missed'}"
        for held in report.month.promises
        if held.asked
    }
    cells = tuple((day.isoformat(), *(shares.get((day, name), "-") for name in names)) for day in days)
    yield Table(("day", *(_NAMES.get(name, name) for name in names)), cells)


def _days(one: Promise) -> str:
    return f"{one.days_held} of {one.days}"


def _name(one: Promise) -> str:
    bound = "" if one.bound_s is None else f" within {one.bound_s:g} s"
    return _NAMES.get(one.name, one.name) + bound


def _scaling(report: Report) -> Iterator[Part]:
    if not report.hours:
        yield "Unknown: nobody recorded how many replicas ran (freehold up and freehold rehearse do)."
        return
    rows = [
        (
            one.model,
            one.gpu,
            *(f"{value:,.2f}" for value in (one.replicas, one.always, one.saved)),
            percent(float(one.saved / one.always) if one.always else 0.0),
        )
        for one in report.hours
    ]
    head = ("model", "GPU", "replica-hours", "always at replicas.max", "saved", "share")
    yield Table(head, tuple(rows), words=2)
    yield f"Replicas are recorded for {percent(report.covered)} of the time since the month's first request."


def _changes(report: Report) -> Iterator[Part]:
    if isinstance(report.changes, str):
        yield f"Nothing is predicted: {report.changes}."
    elif not report.changes:
        yield "Nothing: the planner finds no cheaper way to hold the promises under this load."
    else:
        rows = [
            (one.what, one.effect, "-" if one.usd_month is None else f"{one.usd_month:+,.0f}") for one in report.changes
        ]
        yield Table(("change", "why, and what to expect", "dollars a month"), tuple(rows), words=2)
        yield "Predicted for the load of this month by the planner, at the upper end of its interval (docs/plan.md)."
