"""``freehold usage``, ``export``, ``backup``, ``restore``: what was used, and keeping or taking along what is kept."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.progress import DownloadColumn, Progress, SpinnerColumn, TextColumn, TransferSpeedColumn
from rich.table import Table

from cluster.cli.admin import over_admin_api, path_of
from cluster.cli.options import echo_json, fleet_of
from cluster.cli.tables import show
from cluster.client.http import Endpoint
from cluster.errors import RefusedError, UsageError
from cluster.supervise import backup as backups
from cluster.supervise.sealed import VARIABLE, read_key
from cluster.supervise.state import Home

_BY = ("day", "month", "tenant", "model", "tier", "reason", "outcome")
_FORBIDDEN = 403
_MICROS = 1_000_000

_day = click.DateTime(["%Y-%m-%d"])
_file = click.Path(path_type=Path, dir_okay=False)
_key_option = click.option("--key-file", type=_file, help=f"The key, 64 hexadecimal digits. Default: {VARIABLE}.")
_fleet_option = click.option("--fleet", type=_file, help="The fleet file. Default: the fleet that runs here.")


@click.command()
@click.option("--by", type=click.Choice(_BY), default="day", show_default=True, help="What to sum up by.")
@click.option("--tenant", help="Of this tenant alone. Default: of all with an admin key, else of the key's own.")
@click.option("--since", type=_day, help="First day, UTC.")
@click.option("--until", type=_day, help="The day after the last one, UTC.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; money in millionths of a US dollar.")
@over_admin_api
def usage(gateway: Endpoint, *, as_json: bool, as_csv: bool, **asked: Any) -> None:  # noqa: ANN401 - click's options
    """Show what was used: requests, tokens, GPU time and money, by day, model, reason and so on."""
    if as_json and as_csv:
        msg = "choose one of --json and --csv"
        raise UsageError(msg)
    query = {name: _in_query(value) for name, value in asked.items() if value is not None}
    found = _usage(gateway, query)
    if as_json:
        echo_json(found)
    elif as_csv:
        table = csv.DictWriter(sys.stdout, ["heading", *(name for name in found["total"] if name != "heading")])
        table.writeheader()
        table.writerows(found["data"])
    else:
        show(_table(found))


def _in_query(value: str | datetime) -> str:
    return value if isinstance(value, str) else value.date().isoformat()


def _usage(gateway: Endpoint, query: dict[str, str]) -> dict[str, Any]:
    """Of everyone, where the key may see that; else of the key's own tenant."""
    try:
        found: dict[str, Any] = gateway.get(f"/admin/usage?{urlencode(query)}").body
    except RefusedError as exc:
        if exc.status != _FORBIDDEN:
            raise
        found = gateway.get(f"/v1/usage?{urlencode(query)}").body
    return found


def _table(found: dict[str, Any]) -> Table:
    table = Table(found["by"], box=SIMPLE_HEAD)
    for column in ("requests", "tokens in", "cached", "out", "GPU h", "paid $", "on Claude $"):
        table.add_column(column, justify="right")
    for row in found["data"]:
        table.add_row(*_cells(row))
    table.add_section()
    table.add_row(*_cells(found["total"]))
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    counts = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens")
    return [
        escape(row["heading"]) or "-",
        *(f"{row[name]:,}" for name in counts),
        f"{row['gpu_ms'] / 3_600_000:.2f}",
        *(f"{row[name] / _MICROS:,.2f}" for name in ("cost_micros", "baseline_micros")),
    ]


@click.command()
@click.argument("tenant")
@click.option("--out", type=_file, help="Where to write it. Default: TENANT.jsonl.")
@over_admin_api
def export(tenant: str, out: Path | None, gateway: Endpoint, *, as_json: bool) -> None:
    """Write all that is kept of TENANT to a file, a line of JSON for each row."""
    out = out or Path(f"{tenant}.jsonl")
    fresh = out.with_name(f"{out.name}.part")
    fresh.touch(mode=0o600)
    try:
        with fresh.open("wb") as file:
            gateway.download(f"{path_of('tenants', tenant)}/export", file)
        size = fresh.replace(out).stat().st_size
    finally:
        fresh.unlink(missing_ok=True)
    _done({"tenant": tenant, "file": str(out), "bytes": size}, f"Wrote {out}, {size:,} bytes.", as_json=as_json)


@click.command()
@click.argument("out", type=_file, required=False)
@_fleet_option
@_key_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
def backup(out: Path | None, fleet: Path | None, key_file: Path | None, *, as_json: bool) -> None:
    """Write an encrypted backup of tenants, keys, quotas, ledger and pepper to OUT, while the fleet runs or not.

    It is one moment's state. A tenant that is deleted later is still in it.
    """
    home, key = Home.from_environment(), read_key(key_file)
    out = out or Path(f"freehold-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup")
    with backups.reach(home, fleet_of(home, fleet)) as vault, _bar("backup") as progress:
        size = backups.back_up(vault, out, key, progress)
    _done({"file": str(out), "bytes": size}, f"Wrote {out}, {size:,} bytes.", as_json=as_json)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@_fleet_option
@_key_option
@click.option("--replace", is_flag=True, help="Put the backup in the place of what the database holds.")
def restore(file: Path, fleet: Path | None, key_file: Path | None, *, replace: bool) -> None:
    """Bring the accounts back from the backup FILE; the fleet must be down."""
    home, key = Home.from_environment(), read_key(key_file)
    with backups.reach(home, fleet_of(home, fleet)) as vault, _bar("restore") as progress:
        backups.restore(vault, file, key, progress, replace=replace)
    click.echo(f"The accounts are as in {file}; start the fleet with: freehold up")


@contextmanager
def _bar(what: str) -> Iterator[backups.Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=None)
        yield lambda size: bar.advance(task, size)


def _done(facts: dict[str, Any], said: str, *, as_json: bool) -> None:
    if as_json:
        echo_json(facts)
    else:
        click.echo(said)
