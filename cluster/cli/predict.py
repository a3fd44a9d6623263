"""``freehold predict``: what a configuration would measure, row by row."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import track

from cluster.cli.options import echo_json, json_option
from cluster.latency.table import predict_file


@click.command()
@click.option(
    "--csv",
    "source",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Configurations, a row each; docs/capacity.md lists the columns.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="Where to write them to.")
@json_option
def predict(source: Path, out: Path, as_json: bool) -> None:
    """Predict latency and throughput of configurations, with 80 % intervals.

    OUT has the rows of the CSV file and the columns predicted, low, high (in the row's unit) and reason. Where nothing
    is known, the figures are empty and the reason says why.
    """
    done = predict_file(source, out, _watched)
    if as_json:
        echo_json({"rows": done.rows, "answered": done.answered, "out": str(out)})
    else:
        click.echo(f"{done.answered} of {done.rows} rows answered, in {out}")


def _watched(rows: list[dict[str, str]]) -> Iterable[dict[str, str]]:
    console = Console(file=sys.stderr)
    return track(rows, "predicting", console=console, transient=True, disable=not console.is_terminal)
