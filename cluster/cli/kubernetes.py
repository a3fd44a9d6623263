"""What the commands for Kubernetes share: where the cluster is, and a release as a table that lives on a terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live as Screen
from rich.table import Table

from cluster.cli.options import echo_json
from cluster.cli.tables import show
from cluster.errors import FleetFileError, KubernetesError, UsageError
from cluster.kube.deploy.live import Live
from cluster.kube.deploy.rollout import Phase, Row
from cluster.kube.deploy.survey import INSTANCE
from cluster.kube.values.engines import Mode
from cluster.load import parse_fleet
from cluster.spec.slug import slug

if TYPE_CHECKING:
    from cluster.kube.api import Api

RELEASE = "freehold"

context_option = click.option("--context", default="", help="The kubeconfig's context. Default: its current one.")
namespace_option = click.option("-n", "--namespace", default="", help="The namespace. Default: the context's.")
release_option = click.option("--release", default=RELEASE, show_default=True, help="The Helm release's name.")
wait_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=1800,
    show_default=True,
    metavar="SECONDS",
    help="Give up waiting by then, with exit code 1; the release stays. Downloads of weights count.",
)
mode_option = click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.RAY.value,
    show_default=True,
    help="What runs a model: a Ray cluster of its own, a plain vLLM server, or a simulated engine.",
)
open_option = click.option(
    "--open-to-all", is_flag=True, help="Accept tenants.access: open, where everyone who reaches it may call."
)
_COLOURS = {Phase.READY: "green", Phase.DONE: "green", Phase.FAILING: "red", Phase.REFUSED: "red"}


def connect(context: str, namespace: str) -> Api:
    """The API server of a context."""
    try:
        from cluster.kube.api import Api  # noqa: PLC0415 - a third of a second, and an extra
    except ModuleNotFoundError as exc:
        msg = f"{exc}; this command needs the extra 'kubernetes': pip install 'freehold[kubernetes]'"
        raise UsageError(msg) from exc
    return Api.connect(context, namespace)


def doing(what: str) -> AbstractContextManager[object]:
    """A spinner beside what takes a moment, on a terminal only."""
    return Console(stderr=True).status(f"{what} …")


def models_by_slug(api: Api, release: str) -> dict[str, str]:
    """Models' names by their slugs, as the release's fleet file has them; empty where it cannot be read."""
    path = f"/api/v1/namespaces/{api.place.namespace}/configmaps"
    try:
        found = api.list(path, labelSelector=f"{INSTANCE}={release}").items
        texts = [item["data"]["fleet.yaml"] for item in found if "fleet.yaml" in (item.get("data") or {})]
        return {slug(name): name for text in texts for name in parse_fleet(text.encode(), "fleet.yaml").models}
    except (KubernetesError, FleetFileError):  # a slug says enough
        return {}


def rows_table(rows: Iterable[Row]) -> Table:
    """A release."""
    table = Table("model", "workload", box=SIMPLE_HEAD)
    table.add_column("ready", justify="right")
    table.add_column("phase")
    table.add_column("reason", overflow="fold")
    for row in rows:
        colour = _COLOURS.get(row.phase, "yellow")
        phase = f"[{colour}]{row.phase.value}[/]"
        table.add_row(row.name, row.workload, f"{row.ready}/{row.wanted}", phase, _plain(row.reason))
    return table


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def shown(changes: Iterable[tuple[Row, ...]], *, silent: bool = False) -> Iterator[tuple[Row, ...]]:
    """The same rows, each also on the terminal: as one table that changes, or in a pipe as a line for what is new."""
    console = Console(stderr=True, highlight=False)
    if silent:
        yield from changes
    elif console.is_terminal:
        with Screen(console=console, auto_refresh=False, transient=True) as screen:
            for rows in changes:
                screen.update(rows_table(rows), refresh=True)
                yield rows
    else:
        yield from _lines(changes)


def _lines(changes: Iterable[tuple[Row, ...]]) -> Iterator[tuple[Row, ...]]:
    told: dict[str, Row] = {}
    for rows in changes:
        for row in rows:
            if told.get(row.workload) != row:
                said = f": {row.reason}" if row.reason else ""
                click.echo(f"  {row.name:<24} {row.ready}/{row.wanted} {row.phase.value}{said}", err=True)
                told[row.workload] = row
        yield rows


def as_facts(row: Row) -> dict[str, Any]:
    """A row for a script."""
    return asdict(row) | {"phase": row.phase.value}


values_option = click.option(
    "-f", "--values", multiple=True, type=click.Path(path_type=Path, exists=True), help="More values for the chart."
)
set_option = click.option("--set", "assignments", multiple=True, help="One more value, in Helm's spelling.")
chart_option = click.option(
    "--chart", type=click.Path(path_type=Path), help="The chart's folder. Default: this checkout's."
)


def release_status(api: Api, release: str, *, watch: bool, as_json: bool) -> bool:
    """Show a release, once or until Ctrl-C; whether it is ready.

    Raises:
        KubernetesError: there is nothing of it.

    """
    with Live(api, release, api.place.namespace, models_by_slug(api, release)) as live:
        rows = live.rows()
        if not rows and live.troubles:
            raise KubernetesError(live.troubles[0])
        if not rows:
            where = f"namespace {api.place.namespace!r} of context {api.place.context!r}"
            msg = (
                f"no release {release!r} in {where}; deploy one with: freehold deploy --namespace {api.place.namespace}"
            )
            raise KubernetesError(msg)
        if watch:
            _watch(live, as_json=as_json)
        elif as_json:
            echo_json({"release": release, "namespace": api.place.namespace, **_facts(rows)})
        else:
            show(rows_table(rows))
        for trouble in live.troubles:
            click.echo(f"not seen: {trouble}", err=True)
        return all(row.is_ready for row in live.rows())


def _watch(live: Live, *, as_json: bool) -> None:
    last: tuple[Row, ...] = ()
    try:
        for rows in shown(live.changes(math.inf), silent=as_json):
            if as_json and rows != last:
                click.echo(json.dumps(_facts(rows)))
            last = rows
    except KeyboardInterrupt:
        return


def _facts(rows: Iterable[Row]) -> dict[str, Any]:
    told = tuple(rows)
    return {"ready": all(row.is_ready for row in told), "rows": [as_facts(row) for row in told]}
