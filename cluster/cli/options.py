"""Options that several commands share, and what they resolve to."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from cluster.client.http import Endpoint
from cluster.errors import NotRunningError, UnreachableError, UsageError
from cluster.load import load_fleet
from cluster.spec import Fleet
from cluster.supervise.state import Home

fleet_option = click.option(
    "--fleet",
    "file",
    type=click.Path(path_type=Path),
    default=Path("fleets/demo.yaml"),
    show_default=True,
    help="The fleet file.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
url_option = click.option(
    "--url",
    envvar="FREEHOLD_URL",
    default="",
    show_envvar=True,
    help="The gateway's address. Default: the fleet that runs under FREEHOLD_HOME.",
)
key_option = click.option(
    "--key", envvar="FREEHOLD_KEY", default="", show_envvar=True, help="The key that the gateway knows you by."
)
model_option = click.option(
    "-m", "--model", default="auto", show_default=True, help="A model, a tier, or auto, which lets the router choose."
)
max_tokens_option = click.option(
    "--max-tokens", type=click.IntRange(min=1), default=256, show_default=True, help="Length of an answer at most."
)


class Header(click.ParamType[tuple[str, str]]):
    """``NAME:VALUE``, as a pair."""

    name = "name:value"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Split it; wrong use where it is no header."""
        name, colon, said = value.partition(":")
        if not (colon and _TOKEN.fullmatch(name) and said.isprintable() and said.isascii()):
            self.fail(f"{value!r} is no header; write x-team:research", param, ctx)
        return name, said.strip()


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""A header's name by RFC 9110."""


def endpoint(url: str, key: str) -> Endpoint:
    """The gateway that was named, or the one that runs here, with the key that its first start made."""
    home = Home.from_environment()
    try:
        return Endpoint(url, key) if url else Endpoint(home.read().url, key or home.admin_key())
    except NotRunningError as exc:
        msg = f"{exc}, or name a gateway with FREEHOLD_URL"
        raise UnreachableError(msg) from exc


def echo_json(facts: object) -> None:
    """Print facts for a script."""
    click.echo(json.dumps(facts, indent=2))


def fleet_of(home: Home, named: Path | None) -> Fleet:
    """The fleet file that was named, else that of the fleet which runs here; UsageError where there is neither."""
    try:
        return load_fleet(named or Path(home.read().file))
    except NotRunningError as exc:
        msg = "no fleet runs here; name its file with --fleet"
        raise UsageError(msg) from exc
