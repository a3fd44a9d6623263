"""``freehold plan``: which GPUs, how many, what they cost a month, and what to expect of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from cluster.cli.options import echo_json, fleet_option, json_option
from cluster.errors import GateError
from cluster.load import load_fleet

if TYPE_CHECKING:
    from cluster.plan.report import Report


@click.command()
@fleet_option
@json_option
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with plots there.")
@click.option("--write", is_flag=True, help="Put the cheapest plan into the fleet file.")
def plan(file: Path, as_json: bool, html: Path | None, write: bool) -> None:
    """Find the cheapest fleet that holds the fleet file's slo under its traffic.

    Ends with 1 where none does; the nearest one that could be had is printed then.
    """
    from cluster.cli.planned import show_report  # noqa: PLC0415 - numpy loads when it is needed, as in plan below
    from cluster.plan.apply import write_plan  # noqa: PLC0415
    from cluster.plan.page import page  # noqa: PLC0415
    from cluster.plan.report import in_json  # noqa: PLC0415

    facts = _planned(file)
    if html:
        html.write_text(page(facts), encoding="utf-8")
    if as_json:
        echo_json(in_json(facts))
    else:
        show_report(facts)
    if not facts.choices:
        msg = f"impossible, because {facts.impossible}"
        raise GateError(msg)
    if write:
        changed = write_plan(file, facts)
        click.echo(f"{file}: {', '.join(changed) or 'is as planned already'}", err=True)


def _planned(file: Path) -> Report:
    from cluster.plan.report import report  # noqa: PLC0415

    fleet = load_fleet(file)
    columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} setups judged"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        return report(fleet, file.parent, lambda: progress.advance(task))
