"""A result and a comparison, printed for who started them and written to the files that they asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from loadtests.compare import Comparison
from loadtests.junit import junit
from loadtests.page import page
from loadtests.predicted import Prediction
from loadtests.result import Result

_PIPE_WIDTH: Final = 140
_FIGURES: Final = ("requests", "error_rate", "ttft_p50_s", "ttft_p95_s", "tpot_p50_s", "tpot_p95_s", "e2e_p50_s")
_MORE: Final = ("e2e_p95_s", "requests_per_s", "output_tokens_per_s")


@dataclass(frozen=True, slots=True)
class Files:
    """Where a result is to be written; None where it is not."""

    json: Path | None = None
    html: Path | None = None
    junit: Path | None = None

    def write(self, result: Result) -> None:
        """Write what was asked for."""
        if self.json:
            result.write(self.json)
        if self.html:
            self.html.write_text(page(result), encoding="utf-8")
        if self.junit:
            self.junit.write_text(junit(result), encoding="utf-8")


def tell(result: Result) -> None:
    """Figures by tier, every gate in a sentence, and what the generator itself could carry."""
    table = Table("tier", box=SIMPLE_HEAD)
    for name in (*_FIGURES, *_MORE):
        table.add_column(name, justify="right")
    for tier, figures in (*result.tiers.items(), ("all", result.metrics)):
        table.add_row(tier or "-", *(_shown(figures.get(name)) for name in (*_FIGURES, *_MORE)))
    _show(table)
    _tell_prediction(result.prediction)
    console = _console()
    side = result.generator
    if side.ceiling_chunks_per_core_s:
        streams = side.ceiling_chunks_per_core_s / 20
        console.print(
            f"Generator: its own ceiling is {streams:,.0f} streams of 20 chunks/s a core; {side.workers} worker(s), "
            f"the busiest of which used {side.cores:.2f} cores; late by {1000 * side.late_p95_s:.1f} ms (p95)."
        )
    for doubt in side.doubts:
        console.print(f"Doubt: {doubt}.")
    for gate in result.gates:
        console.print(f"{gate.status.value:8} {gate.says}")
    console.print("passed" if result.passed else "failed")


def _tell_prediction(prediction: Prediction) -> None:
    """Predicted, measured, error in percent."""
    table = Table("tier", "figure", box=SIMPLE_HEAD)
    for name in ("measured", "simulated", "error %", "planned", "error %"):
        table.add_column(name, justify="right")
    for row in prediction.rows:
        errors = (row.error_percent, row.planned_error_percent)
        shown = (_shown(row.predicted), _shown(errors[0]), _shown(row.planned), _shown(errors[1]))
        table.add_row(row.tier, row.figure, _shown(row.measured), *shown)
    if prediction.rows:
        _show(table)
    for tier, why in prediction.not_predicted.items():
        _console().print(f"{tier}: no prediction is possible: {why}.")


def tell_comparison(comparison: Comparison) -> None:
    """Figure by figure."""
    table = Table("figure", box=SIMPLE_HEAD)
    for name in (comparison.a, comparison.b, "difference", "percent", "interval", "verdict"):
        table.add_column(name, justify="right")
    for one in comparison.differences:
        within = "-" if one.low is None else f"{_shown(one.low)} to {_shown(one.high)}"
        shown = (_shown(one.a), _shown(one.b), _shown(one.difference), _shown(one.percent), within)
        table.add_row(one.figure, *shown, one.verdict.value)
    _show(table)
    for unlike in comparison.unlike:
        _console().print(f"Not the same in both: {unlike}.")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"


def _show(table: Table) -> None:
    _console().print(table)


def _console() -> Console:
    console = Console()
    return Console(width=None if console.is_terminal else _PIPE_WIDTH, highlight=False, markup=False)
