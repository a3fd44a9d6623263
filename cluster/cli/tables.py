"""Facts as tables, the same in a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterable

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cluster.client.replay import Row
from cluster.supervise.state import ServedModel

_PIPE_WIDTH = 140


def show(table: Table) -> None:
    """Print a table; a pipe gets room enough that nothing is cut."""
    console = Console()
    Console(width=None if console.is_terminal else _PIPE_WIDTH).print(table)


def models_table(models: Iterable[ServedModel]) -> Table:
    """Which models run, where they stand, what they took."""
    table = Table("model", "tier", box=SIMPLE_HEAD)
    for column in ("replicas", "memory", "ready in"):
        table.add_column(column, justify="right")
    for model in models:
        memory = f"{model.memory_bytes / (1 << 30):.2f} GiB" if model.memory_bytes else "elsewhere"
        table.add_row(model.name, model.tier or "-", str(model.replicas), memory, f"{model.ready_s:.1f} s")
    return table


def replay_table(rows: Iterable[Row]) -> Table:
    """What came of replayed prompts, by tier and reason."""
    table = Table("tier", "reason", box=SIMPLE_HEAD)
    for column in ("prompts", "errors", "TTFT p50", "p95", "TPOT p50", "p95", "whole p50", "tokens in", "out"):
        table.add_column(column, justify="right")
    for row in rows:
        seconds = (row.ttft_p50_s, row.ttft_p95_s, row.tpot_p50_s, row.tpot_p95_s, row.total_p50_s)
        counts = (row.count, row.errors)
        tokens = (row.prompt_tokens, row.completion_tokens)
        table.add_row(row.tier or "-", row.reason, *map(str, counts), *map(_milliseconds, seconds), *map(str, tokens))
    return table


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
