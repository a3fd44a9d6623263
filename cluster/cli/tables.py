"""Facts as tables, the same in a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from cluster.client.replay import Row
from cluster.supervise.gpus import SeenGpu
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


def gpus_table(gpus: Iterable[SeenGpu]) -> Table:
    """What the GPUs of this machine do, and which must not be used; - is what one does not tell."""
    table = Table("gpu", "name", box=SIMPLE_HEAD)
    for column in ("busy", "memory", "power", "°C"):
        table.add_column(column, justify="right")
    table.add_column("models")
    table.add_column("state")
    for seen in gpus:
        gpu = seen.gpu
        figures = (_of(gpu.utilization, 100, "%"), _of(gpu.memory_used_bytes, 1 / (1 << 30), " GiB"))
        heat = (_of(gpu.power_w, 1, " W"), _of(gpu.temperature_c, 1, ""))
        state = "; ".join(seen.condemned) or ", ".join(gpu.throttled or ()) or "well"
        table.add_row(str(gpu.index), gpu.name, *figures, *heat, ", ".join(seen.models) or "-", state)
    return table


def _of(figure: float | None, factor: float, unit: str) -> str:
    return "-" if figure is None else f"{figure * factor:.0f}{unit}"


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


def candidates_table(candidates: Iterable[dict[str, Any]]) -> Table:
    """Who may answer, the chosen one first, and what is known of each."""
    table = Table("candidate", "tier", "answers", box=SIMPLE_HEAD)
    for column in ("in flight", "waiting", "TTFT", "quality", "$ / 1k requests"):
        table.add_column(column, justify="right")
    for one in candidates:
        quality, cost = one.get("expected_quality"), one.get("expected_cost_usd")
        table.add_row(
            one["model"],
            one["tier"] or "-",
            "yes" if one["available"] else "no",
            *(str(one.get(name, "-")) for name in ("in_flight", "waiting")),
            _milliseconds(one.get("predicted_ttft_s")),
            "-" if quality is None else f"{quality:.0%}",
            "-" if cost is None else f"{1000 * cost:.4g}",
        )
    return table


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f} ms"
