"""``freehold up``, ``rehearse``, ``down``, ``status``, ``logs``: a fleet on this machine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cluster.cli.kubernetes import RELEASE, connect, context_option, namespace_option, release_status
from cluster.cli.options import echo_json, fleet_option, json_option
from cluster.cli.tables import gpus_table, models_table, show
from cluster.cli.view import View
from cluster.errors import NotRunningError, UsageError
from cluster.supervise.detached import start_detached
from cluster.supervise.down import stop_fleet
from cluster.supervise.logs import added_lines, find_log, last_lines
from cluster.supervise.plan import Plan, plan_start
from cluster.supervise.rehearsal import write_rehearsal
from cluster.supervise.run import run_fleet
from cluster.supervise.state import Home
from cluster.supervise.status import read_status

port_option = click.option(
    "--port", type=click.IntRange(1, 65_535), help="The gateway's port instead of the file's gateway.port."
)
detach_option = click.option("--detach", is_flag=True, help="Return when the fleet is ready and leave it running.")
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=1800,
    show_default=True,
    metavar="SECONDS",
    help="Give up when the fleet is not ready by then; downloads of weights count.",
)


@click.command()
@fleet_option
@port_option
@detach_option
@timeout_option
def up(file: Path, port: int | None, *, detach: bool, timeout: float) -> None:
    """Start a fleet: its engines in parallel, then the gateway; Ctrl-C takes it down again."""
    _start(plan_start(file, port, timeout), detach=detach)


@click.command()
@fleet_option
@port_option
@detach_option
@timeout_option
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    default=1,
    show_default=True,
    help="How many times as fast as real the engines answer.",
)
@click.option("--plain", is_flag=True, help="Without Ray: ready in seconds, nothing scales.")
def rehearse(  # noqa: PLR0913 - an option each
    file: Path, port: int | None, *, detach: bool, timeout: float, speed: float, plain: bool
) -> None:
    """Start a fleet without a GPU: all of it is real but the engines, which only take their time.

    Gateway, accounts, routing and autoscaling are those of freehold up; so are down, status, logs and chat.
    """
    written = write_rehearsal(file, Home.from_environment(), speed)
    _start(plan_start(written, port, timeout, plain=plain), detach=detach)


def _start(plan: Plan, *, detach: bool) -> None:
    with View(plan, detached=detach) as tell:
        if detach:
            start_detached(plan, tell)
        else:
            asyncio.run(run_fleet(plan, tell))
    if not detach:
        click.echo("The fleet is down.")


@click.command()
def down() -> None:
    """Take the fleet down: answers under way end first, then nothing of it is left."""
    try:
        record = stop_fleet(Home.from_environment())
    except NotRunningError as exc:
        click.echo(f"Nothing to do: {exc}")
    else:
        click.echo(f"Fleet {record.fleet} is down.")


@click.command()
@context_option
@namespace_option
@click.option("--release", default="", help="The Helm release's name, freehold where one of the others is given.")
@click.option("-w", "--watch", is_flag=True, help="For a release: go on showing what changes, until Ctrl-C.")
@json_option
@click.pass_context
def status(  # noqa: PLR0913 - an option each
    ctx: click.Context, context: str, namespace: str, release: str, *, watch: bool, as_json: bool
) -> None:
    """Show what runs here, or with --context, --namespace or --release what runs in that cluster.

    Exit code 1 when the fleet is not ready, 3 when there is none.
    """
    if context or namespace or release:
        ready = release_status(connect(context, namespace), release or RELEASE, watch=watch, as_json=as_json)
        ctx.exit(0 if ready else 1)
    if watch:
        msg = "--watch follows a release in a cluster; name it with --context, --namespace or --release"
        raise UsageError(msg)
    now = read_status(Home.from_environment())
    if as_json:
        echo_json(now.model_dump(mode="json"))
    else:
        click.echo(f"{now.fleet} ({now.file}) at {now.url}, up for {now.uptime_s:.0f} s, {now.phase}")
        if now.detail:
            click.echo(f"Not ready: {now.detail}")
        if not now.supervised:
            click.echo("Its supervisor is gone; freehold down still ends all of it.")
        show(models_table(now.models))
        if now.gpus:
            show(gpus_table(now.gpus))
        else:
            click.echo(f"No GPU is seen: {now.gpus_detail}.")
    ctx.exit(0 if now.ready else 1)


@click.command()
@click.argument("name", metavar="MODEL")
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is added, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=50, show_default=True, help="How many last lines.")
def logs(name: str, *, follow: bool, lines: int) -> None:
    """Print the log of MODEL, or of gateway, serving or supervisor."""
    log = find_log(Home.from_environment(), name)
    last, position = last_lines(log, lines)
    for line in last:
        click.echo(line)
    if follow:
        for line in added_lines(log, position):
            click.echo(line)
