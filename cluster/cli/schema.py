"""``freehold schema``: what a fleet file may say, for editors, for Helm, and for people."""

from __future__ import annotations

import click

from cluster.cli.options import echo_json
from cluster.schema import fleet_schema, reference


@click.command()
@click.option("--markdown", is_flag=True, help="Print the reference for people instead of JSON Schema.")
def schema(*, markdown: bool) -> None:
    """Print the JSON Schema of the fleet file."""
    if markdown:
        click.echo(reference(), nl=False)
    else:
        echo_json(fleet_schema())
