"""``freehold keys``: make, list, rotate and revoke the keys that callers are known by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from cluster.cli.admin import Duration, everything, over_admin_api, path_of
from cluster.cli.options import echo_json
from cluster.cli.tables import show
from cluster.client.http import Endpoint


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke keys; needs an admin key."""


@keys.command()
@click.option("--tenant", required=True, help="Whose key it is.")
@click.option("--label", default="", help="For people, in lists.")
@click.option("--admin", is_flag=True, help="A key for the admin API, too.")
@click.option("--model", "models", multiple=True, help="Only this model; may be repeated, as the next three.")
@click.option("--tier", "tiers", multiple=True, help="Only this tier: small, large or embedding.")
@click.option(
    "--endpoint",
    "endpoints",
    multiple=True,
    help="Only this endpoint: chat, embedding, usage …; site for another site.",
)
@click.option("--network", "networks", multiple=True, help="Only from these addresses, such as 10.0.0.0/8.")
@click.option("--expires", "expires_in_seconds", type=Duration(), help="Good for so long: 12h, 30d. Default: no end.")
@over_admin_api
def create(gateway: Endpoint, *, as_json: bool, **wanted: Any) -> None:  # noqa: ANN401 - what the options are
    """Make a key. It is printed once, on standard output, and kept nowhere."""
    _show_new(gateway.post(path_of("keys"), wanted).body, as_json=as_json)


@keys.command("list")
@click.option("--tenant", default="", help="Only this tenant's.")
@over_admin_api
def list_(tenant: str, gateway: Endpoint, *, as_json: bool) -> None:
    """List keys, the newest last; never their secrets."""
    query = {"tenant": tenant} if tenant else {}
    found = sorted(everything(gateway, path_of("keys"), "id", **query), key=lambda one: one["created_at"])
    if as_json:
        echo_json(found)
    else:
        show(_table(found))


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    "overlap_seconds",
    type=Duration(),
    default="0",
    show_default=True,
    help="How long the old secret stays good; 0: not at all.",
)
@over_admin_api
def rotate(key_id: str, overlap_seconds: int, gateway: Endpoint, *, as_json: bool) -> None:
    """Replace the key ID by a new one that may do the same. The new key is printed once."""
    body = {"overlap_seconds": overlap_seconds}
    _show_new(gateway.post(path_of("keys", key_id, "rotate"), body).body, as_json=as_json)


@keys.command()
@click.argument("key_id", metavar="ID")
@over_admin_api
def revoke(key_id: str, gateway: Endpoint, *, as_json: bool) -> None:
    """End the key ID: every gateway refuses it within a second."""
    card = gateway.delete(path_of("keys", key_id)).body
    if as_json:
        echo_json(card)
    else:
        click.echo(f"Key {card['id']} of {card['tenant']} is revoked.")


def _show_new(card: dict[str, Any], *, as_json: bool) -> None:
    """The key alone goes to standard output, so that a script can take it."""
    if as_json:
        echo_json(card)
        return
    old = card.get("replaces")
    if old:
        until = f"is good until {old['expires_at']}" if old["state"] == "active" else "is no longer good"
        click.echo(f"The old key {old['id']} {until}.", err=True)
    click.echo(f"Key {card['id']} of {card['tenant']}, shown this once:", err=True)
    click.echo(card["key"])


def _table(found: Iterable[dict[str, Any]]) -> Table:
    table = Table("id", "tenant", "label", "state", "may", "created", "expires", box=SIMPLE_HEAD)
    for card in found:
        limits = [value for field in ("models", "tiers", "endpoints", "networks") for value in card[field]]
        may = ", ".join([*(["admin"] if card["admin"] else []), *limits]) or "all of its plan"
        expires = str(card["expires_at"] or "-")[:19]
        table.add_row(
            card["id"], card["tenant"], escape(card["label"]), card["state"], may, card["created_at"][:19], expires
        )
    return table
