"""A result as one HTML file: the verdict first, then figures, then plots; nothing is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final

import numpy as np

from cluster.drawing import document, lines, table
from loadtests.figures import Figures
from loadtests.gates import Gate
from loadtests.intervals import Floats
from loadtests.result import Result
from loadtests.series import Curve

_COLUMNS: Final = {
    "requests": "requests",
    "error_rate": "errors",
    "goodput": "goodput",
    "requests_per_s": "answers/s",
    "output_tokens_per_s": "tokens/s",
    "ttft_p50_s": "TTFT p50",
    "ttft_p95_s": "TTFT p95",
    "tpot_p50_s": "TPOT p50",
    "tpot_p95_s": "TPOT p95",
    "e2e_p50_s": "whole p50",
    "e2e_p95_s": "whole p95",
}
_SHARES: Final = ("error_rate", "goodput")


def page(result: Result) -> str:
    """The whole file."""
    verdict = "passed" if result.passed else "failed"
    body = [
        *_verdict(result),
        *_trust(result),
        *_plots(result),
        *_tables(result),
        *_predicted(result),
        *_surroundings(result),
    ]
    return document(f"Load test of {result.fleet}: {verdict}", body)


def _verdict(result: Result) -> Iterator[str]:
    asked, counted = result.asked, result.counted
    load = f"{asked.users:,} users" if asked.users else f"{asked.rate:g} requests/s" if asked.rate else asked.trace
    seconds = f"from second {counted.since_s:.0f} to {counted.until_s:.0f}, {counted.window}"
    yield (
        f"<p>{escape(asked.scenario)}: {escape(load)} for {asked.duration_s:,.0f} s, {escape(asked.started)}. "
        f"{counted.requests:,} requests count ({seconds}), {counted.left_out:,} do not.</p>"
    )
    if not result.gates:
        yield "<p>The fleet file's slo promises nothing, so there was nothing to break.</p>"
        return
    yield table(
        ("promise", "promised", "measured", "95 % interval", "verdict"),
        (
            (gate.name, _shown(gate.name, gate.promised), _shown(gate.name, gate.measured), _within(gate), gate.status)
            for gate in result.gates
        ),
    )
    yield f"<ul>{''.join(f'<li>{escape(gate.says)}</li>' for gate in result.gates)}</ul>"


def _within(gate: Gate) -> str:
    high = "?" if gate.high is None else _shown(gate.name, gate.high)
    return "-" if gate.low is None else f"{_shown(gate.name, gate.low)} to {high}"


def _trust(result: Result) -> Iterator[str]:
    side = result.generator
    ceiling = (
        f"its ceiling is {side.ceiling_chunks_per_core_s:,.0f} chunks/s a core; it used {side.ceiling_used:.0%} of that"
        if side.ceiling_chunks_per_core_s and side.ceiling_used is not None
        else "its ceiling was not measured"
    )
    yield (
        f"<p>The generator ({side.workers} workers) sent 95 in 100 requests within {1000 * side.late_p95_s:.1f} ms of "
        f"their time; {ceiling}. Latencies count from the time a request was to be sent.</p>"
    )
    if side.doubts:
        yield f"<p><strong>The figures may be the generator's own: {escape('; '.join(side.doubts))}.</strong></p>"


def _plots(result: Result) -> Iterator[str]:
    over, level = result.over_time, result.over_concurrency
    seconds, users = _floats(over.at_s), _floats(level.concurrency)
    for title, curves, unit in (
        ("TTFT against time", {"p95": over.ttft_p95_s, "p50": over.ttft_p50_s}, "s"),
        ("Time per output token against time", {"p95": over.tpot_p95_s}, "s"),
        ("Whole answers against time", {"p95": over.e2e_p95_s}, "s"),
        ("Requests under way", {"concurrency": over.concurrency}, "requests"),
        ("Throughput: answers", {"answers": over.requests_per_s}, "1/s"),
        ("Throughput: output tokens", {"tokens": over.output_tokens_per_s}, "tokens/s"),
        ("Tier split: share of the answers", over.tiers, "1 = all"),
        ("Errors", {"failed": over.failed_per_s}, "1/s"),
    ):
        yield lines(title, seconds, _curves(curves), f"{unit}, by seconds")
    if len(users):
        for title, curves in (
            ("TTFT against concurrency", {"p95": level.ttft_p95_s, "p50": level.ttft_p50_s}),
            ("Time per output token against concurrency", {"p95": level.tpot_p95_s}),
            ("Whole answers against concurrency", {"p95": level.e2e_p95_s}),
        ):
            yield lines(title, users, _curves(curves), "s, by requests under way")


def _tables(result: Result) -> Iterator[str]:
    yield "<h2>Figures</h2>"
    for what, some in (
        ("tier", {**result.tiers, "all": result.metrics}),
        ("tenant", result.tenants),
        ("model", result.models),
        ("kind", result.kinds),
    ):
        yield table((what, *_COLUMNS.values()), ((name, *_row(figures)) for name, figures in some.items()))
    if result.errors:
        yield table(("error", "requests"), ((name, f"{count:,}") for name, count in result.errors.items()))
    if result.reasons:
        yield table(("reason of the router", "requests"), ((name, f"{n:,}") for name, n in result.reasons.items()))


def _predicted(result: Result) -> Iterator[str]:
    yield "<h2>Predicted and measured</h2>"
    rows = [
        (
            *(row.tier, row.figure, _shown(row.figure, row.measured)),
            *(_shown(row.figure, row.predicted), _percent(row.error_percent)),
            *(_shown(row.figure, row.planned), _percent(row.planned_error_percent)),
        )
        for row in result.prediction.rows
    ]
    if rows:
        yield table(("tier", "figure", "measured", "simulated", "error", "planned", "error"), rows)
    for tier, why in result.prediction.not_predicted.items():
        yield f"<p>{escape(tier)}: no prediction is possible: {escape(why)}.</p>"


def _surroundings(result: Result) -> Iterator[str]:
    yield "<h2>Surroundings</h2>"
    about = {**result.hardware, **{f"generator: {name}": str(value) for name, value in result.machine.items()}}
    yield table(("what", "which"), {**about, **result.versions}.items())


def _row(figures: Figures) -> Iterator[str]:
    for name in _COLUMNS:
        yield _shown(name, figures.get(name))


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name in _SHARES:
        return f"{100 * value:.3g} %"
    if name.endswith("_s") and not name.endswith("_per_s"):
        return f"{1000 * value:,.1f} ms" if value < 1 else f"{value:,.2f} s"
    return f"{value:,.0f}" if name == "requests" else f"{value:,.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} %"


def _floats(curve: Curve) -> Floats:
    return np.array([np.nan if value is None else value for value in curve], np.float64)


def _curves(curves: Mapping[str, Curve]) -> dict[str, Floats]:
    return {name: _floats(curve) for name, curve in curves.items()}
