"""``freehold tenants``: who may call, with which plan; and to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from cluster.cli.admin import everything, over_admin_api, path_of
from cluster.cli.options import echo_json
from cluster.cli.tables import show
from cluster.client.http import Endpoint

_overrides_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Override a field of the plan, such as messages_per_month=500; null lifts a limit. May be repeated.",
)


@click.group()
def tenants() -> None:
    """Create, change, show and delete tenants; needs an admin key."""


@tenants.command()
@click.argument("name")
@click.option("--plan", help="A plan of the fleet file. Default: its tenants.default_plan.")
@_overrides_option
@over_admin_api
def create(name: str, plan: str | None, overrides: tuple[str, ...], gateway: Endpoint, *, as_json: bool) -> None:
    """Create the tenant NAME."""
    body = {"name": name, "plan": plan, "overrides": _fields(overrides)}
    _show(gateway.post(path_of("tenants"), body).body, as_json=as_json)


@tenants.command("set")
@click.argument("name")
@click.option("--plan", help="Another plan of the fleet file.")
@_overrides_option
@click.option("--reset", multiple=True, metavar="FIELD", help="Follow the plan again in this field. May be repeated.")
@over_admin_api
def change(  # noqa: PLR0913 - the options of a command
    name: str,
    plan: str | None,
    overrides: tuple[str, ...],
    reset: tuple[str, ...],
    gateway: Endpoint,
    *,
    as_json: bool,
) -> None:
    """Change the plan of the tenant NAME, or fields of it; holds at every gateway within a second."""
    body = {"plan": plan, "overrides": _fields(overrides), "reset": reset}
    _show(gateway.patch(path_of("tenants", name), body).body, as_json=as_json)


@tenants.command("show")
@click.argument("name")
@over_admin_api
def show_one(name: str, gateway: Endpoint, *, as_json: bool) -> None:
    """Show the tenant NAME and what its plan comes to."""
    _show(gateway.get(path_of("tenants", name)).body, as_json=as_json)


@tenants.command("list")
@over_admin_api
def list_(gateway: Endpoint, *, as_json: bool) -> None:
    """List tenants."""
    found = [*everything(gateway, path_of("tenants"), "name")]
    if as_json:
        echo_json(found)
    else:
        show(_table(found))


@tenants.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@over_admin_api
def delete(name: str, gateway: Endpoint, *, yes: bool, as_json: bool) -> None:
    """Forget the tenant NAME: its keys, its history, its cached answers, everything; and say what went."""
    if not yes:
        click.confirm(f"Delete the tenant {name} and everything that is kept of it?", abort=True, err=True)
    reply = gateway.delete(path_of("tenants", name)).body
    if as_json:
        echo_json(reply)
        return
    removed = ", ".join(f"{count} {table}" for table, count in reply["removed"].items() if count)
    click.echo(f"Tenant {name} is deleted; rows removed: {removed}.")


def _fields(overrides: tuple[str, ...]) -> dict[str, Any]:
    """``FIELD=VALUE`` pairs; a value that is JSON is taken as such, the gateway checks it."""
    found: dict[str, Any] = {}
    for pair in overrides:
        field, equals, value = pair.partition("=")
        if not equals:
            msg = f"--set takes FIELD=VALUE, such as messages_per_month=500, not {pair!r}"
            raise click.UsageError(msg)
        try:
            found[field] = json.loads(value)
        except ValueError:
            found[field] = value
    return found


def _show(card: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        echo_json(card)
        return
    click.echo(f"Tenant {card['name']}, plan {card['plan']}, {card['keys']} keys, since {card['created_at'][:19]}")
    table = Table("field", "value", "", box=SIMPLE_HEAD)
    for field, value in card["effective"].items():
        shown = "unlimited" if value is None else ", ".join(value) if isinstance(value, list) else str(value)
        table.add_row(field, shown, "overridden" if field in card["overrides"] else "")
    show(table)


def _table(found: Iterable[dict[str, Any]]) -> Table:
    table = Table("tenant", "plan", "keys", "overrides", "created", box=SIMPLE_HEAD)
    for card in found:
        overrides = ", ".join(f"{field}={escape(json.dumps(value))}" for field, value in card["overrides"].items())
        table.add_row(card["name"], card["plan"], str(card["keys"]), overrides, card["created_at"][:19])
    return table
