"""``freehold simulate``: a fleet under its traffic, or under a trace, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cluster.cli.options import echo_json, fleet_option, json_option
from cluster.cli.tables import show
from cluster.load import load_fleet

if TYPE_CHECKING:
    from cluster.simulate.outcome import Outcome


@click.command()
@fleet_option
@json_option
@click.option("--trace", type=click.Path(path_type=Path), help="Replay this trace instead of the file's traffic.")
@click.option("--hours", type=click.FloatRange(min=0.01, max=168), help="Hours of the traffic's week. Default: 24.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same outcome.")
@click.option("--kill", type=click.FloatRange(min=0), multiple=True, help="Second at which a replica dies; repeatable.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with plots over time there.")
def simulate(  # noqa: PLR0913, PLR0917 - options, which click gives by name
    file: Path,
    trace: Path | None,
    hours: float | None,
    seed: int,
    kill: tuple[float, ...],
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    """Play a fleet's traffic against imitated engines: latencies, promises kept, GPU-hours, cost."""
    # Here, because they bring numpy, which no other command should wait for.
    from cluster.simulate.ask import Asked, simulate  # noqa: PLC0415
    from cluster.simulate.outcome import COLUMNS  # noqa: PLC0415

    fleet = load_fleet(file)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Simulating", total=1.0)
        asked = Asked(trace, hours, seed, kill)
        report = simulate(fleet, file, asked, lambda done: bar.update(task, completed=done))
    if html:
        html.write_text(report.html(f"Simulation of {fleet.name}"))
    if as_json:
        echo_json(_facts(report.outcome))
    else:
        show(_table(report.outcome, COLUMNS))
        click.echo(f"{report.outcome.spilled:,} spilled, {report.outcome.refused:,} refused.")


def _facts(outcome: Outcome) -> dict[str, object]:
    return {
        **outcome.whole.flat(),
        "spilled": outcome.spilled,
        "refused": outcome.refused,
        "seconds": outcome.seconds,
        "models": {one.name: one.flat() for one in outcome.models},
    }


def _table(outcome: Outcome, columns: Sequence[str]) -> Table:
    table = Table("model", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="right")
    for one in (*outcome.models, outcome.whole):
        table.add_row(one.name, *one.row())
    return table
