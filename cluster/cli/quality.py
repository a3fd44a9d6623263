"""``freehold egress``, ``freehold quality``: what left the site, and how good the fleet's own answers are."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from cluster.cli.admin import over_admin_api, path_of
from cluster.cli.options import echo_json
from cluster.cli.tables import show
from cluster.client.http import Endpoint

_BY = ("tier", "reason", "week", "model", "all")

_day = click.DateTime(["%Y-%m-%d"])
_tenant_option = click.option("--tenant", help="Of this tenant alone.")
_since_option = click.option("--since", type=_day, help="First day, UTC.")
_until_option = click.option("--until", type=_day, help="The day after the last one, UTC.")


@click.command()
@_tenant_option
@_since_option
@_until_option
@over_admin_api
def egress(gateway: Endpoint, *, as_json: bool, **asked: str | datetime | None) -> None:
    """Show what left the site: bytes by day, tenant, model and reason."""
    found = _asked(gateway, "egress", asked)
    if as_json:
        echo_json(found)
        return
    table = Table("day", "tenant", "model", "host", "reason", box=SIMPLE_HEAD)
    for column in ("requests", "bytes"):
        table.add_column(column, justify="right")
    for row in found["data"]:
        names = (escape(row[name]) for name in ("day", "tenant", "model", "host", "reason"))
        table.add_row(*names, f"{row['requests']:,}", f"{row['bytes']:,}")
    table.add_section()
    table.add_row("total", "", "", "", "", f"{found['total']['requests']:,}", f"{found['total']['bytes']:,}")
    show(table)


@click.command()
@click.option("--by", type=click.Choice(_BY), default="tier", show_default=True, help="What to sum up by.")
@_tenant_option
@_since_option
@_until_option
@over_admin_api
def quality(gateway: Endpoint, *, as_json: bool, **asked: str | datetime | None) -> None:
    """Show how good the fleet's own answers are against a reference's, with 95 % intervals."""
    found = _asked(gateway, "quality", asked)
    if as_json:
        echo_json(found)
        return
    table = Table(found["by"], "against", box=SIMPLE_HEAD)
    for column in ("labels", "days", "win rate", "", "as good or better", "", "cost $"):
        table.add_column(column, justify="right")
    for row in found["data"]:
        counts = (f"{row['labels']:,}", f"{row['clusters']:,}")
        shares = (*_share(row["win_rate"]), *_share(row["quality_share"]))
        against = escape(row["reference"]) or "what callers say"
        table.add_row(escape(row["heading"]) or "-", against, *counts, *shares, f"{row['cost_micros'] / 1e6:.2f}")
    show(table)


def _share(found: dict[str, float | None]) -> tuple[str, str]:
    """A share and its interval; a dash where there are too few labels for one."""
    low, high = found["low"], found["high"]
    interval = "-" if low is None or high is None else f"{low:.1%} to {high:.1%}"
    return f"{found['value']:.1%}", interval


def _asked(gateway: Endpoint, name: str, asked: dict[str, str | datetime | None]) -> dict[str, Any]:
    query = {key: value for key, value in asked.items() if value is not None}
    plain = {key: value if isinstance(value, str) else value.date().isoformat() for key, value in query.items()}
    found: dict[str, Any] = gateway.get(f"{path_of(name)}?{urlencode(plain)}").body
    return found
