"""``freehold router``: train, score, evaluate, promote and roll back a router made from your own labels.

The work is done by ``python -m router.learn``, which also explains the options. Where the fleet has accounts, its
database says which router is in use, at every gateway; elsewhere the files under ``FREEHOLD_HOME`` do.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.table import Table

from cluster.cli.admin import admin_endpoint, over_admin_api
from cluster.cli.options import echo_json, json_option
from cluster.cli.tables import show
from cluster.client.http import Endpoint
from cluster.errors import NotRunningError, UsageError
from cluster.load import load_fleet
from cluster.supervise.state import Home

_COMMANDS = {
    "train": "Learn from labels which prompts gain by the large model; --from-database takes the fleet's own.",
    "score": "Write a score for each prompt; higher means the large model.",
    "eval": "Measure a trained router on labels: AUC, APGR, CPT, AIQ with intervals.",
}
_DATABASE = "--from-database"
_PATH = "/admin/router"


@click.group()
def router() -> None:
    """Train a router on your own labels."""


def _command(name: str, about: str) -> click.Command:
    @click.pass_context
    def run(context: click.Context, arguments: tuple[str, ...]) -> None:
        if name != "train" or _DATABASE not in arguments:
            context.exit(_learn(name, *arguments))
        rest = [argument for argument in arguments if argument != _DATABASE]
        with TemporaryDirectory(prefix="fh-labels-") as folder:  # which only its owner can read
            file = Path(folder) / "labels.jsonl"
            with file.open("wb") as labels:
                admin_endpoint(*_named()).download("/admin/labels", labels)
            context.exit(_learn(name, *rest, "--labels", str(file)))

    return click.Command(
        name,
        callback=run,
        params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
        help=about,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True},
    )


for _name, _about in _COMMANDS.items():
    router.add_command(_command(_name, _about))


@router.command()
@click.option("--model", required=True, type=click.Path(path_type=Path, file_okay=False), help="What train wrote.")
@json_option
@click.pass_context
def promote(context: click.Context, model: Path, *, as_json: bool) -> None:
    """Put a router in use: at every gateway now, where the fleet has accounts; else from the next start on."""
    gateway = _accounts()
    if gateway is None:
        context.exit(_learn("promote", "--model", str(model), *_json(as_json)))
    try:
        card, data = json.loads((model / "card.json").read_text()), (model / "model.npz").read_bytes()
    except FileNotFoundError as exc:
        msg = f"{model}: no trained router there; freehold router train makes one"
        raise UsageError(msg) from exc
    found = gateway.post(_PATH, {"card": card, "model": base64.b64encode(data).decode()}).body
    _say(found, f"promoted: {found['version']}", as_json=as_json)


@router.command()
@json_option
@click.pass_context
def rollback(context: click.Context, *, as_json: bool) -> None:
    """Take the latest promotion back."""
    gateway = _accounts()
    if gateway is None:
        context.exit(_learn("rollback", *_json(as_json)))
    found = gateway.post(f"{_PATH}/rollback", {}).body
    _say(found, f"in use: {found['version'] or 'what each machine had before'}", as_json=as_json)


@router.command()
@over_admin_api
def moves(gateway: Endpoint, *, as_json: bool) -> None:
    """Show which router was put in use when, with which share of the large tier, and why."""
    found = gateway.get(_PATH).body
    if as_json:
        echo_json(found)
        return
    table = Table("at", "what", "router", "share", "why", box=SIMPLE_HEAD)
    for move in found["data"]:
        share = "-" if move["share"] is None else f"{move['share']:.1%}"
        why = move["why"].get("says") or f"by key {move['why'].get('by', '-')}"
        table.add_row(move["at"][:19], move["action"], move["version"] or "-", share, why)
    show(table)


def _accounts() -> Endpoint | None:
    """The gateway whose database says which router is in use; None where files do."""
    url, key = _named()
    if not url:
        try:
            fleet = load_fleet(Path(Home.from_environment().read().file))
        except NotRunningError:
            return None
        if fleet.tenants.access == "open":
            return None
    return admin_endpoint(url, key)


def _named() -> tuple[str, str]:
    return os.environ.get("FREEHOLD_URL", ""), os.environ.get("FREEHOLD_KEY", "")


def _learn(name: str, *arguments: str) -> int:
    home = str(Home.from_environment().root)
    command = [sys.executable, "-m", "router.learn", name, *arguments]
    return subprocess.run(command, check=False, env={**os.environ, "FREEHOLD_HOME": home}).returncode


def _json(as_json: bool) -> tuple[str, ...]:
    return ("--json",) if as_json else ()


def _say(found: dict[str, Any], said: str, *, as_json: bool) -> None:
    if as_json:
        echo_json(found)
    else:
        click.echo(said)
