"""``freehold helm-values``: the chart's values from a fleet file."""

from __future__ import annotations

from pathlib import Path

import click

from cluster.cli.kubernetes import mode_option, open_option
from cluster.cli.options import echo_json
from cluster.kube.chart import as_yaml, release
from cluster.kube.render import values_of
from cluster.kube.values.engines import Mode
from cluster.load import load_fleet


@click.command("helm-values")
@click.option("--fleet", "file", type=click.Path(path_type=Path), required=True, help="The fleet file.")
@mode_option
@open_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML, which Helm reads as well.")
def helm_values(file: Path, mode: str, *, open_to_all: bool, as_json: bool) -> None:
    """Print the Helm chart's values for a fleet file."""
    values = values_of(load_fleet(file), file.read_text(), mode=Mode(mode), open_to_all=open_to_all)
    if as_json:
        echo_json(release(values))
    else:
        click.echo(as_yaml(values), nl=False)
