"""``freehold deploy``, ``diff``, ``rollback``: a fleet file in a Kubernetes cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cluster.cli.kubernetes import (
    as_facts,
    chart_option,
    connect,
    context_option,
    doing,
    mode_option,
    models_by_slug,
    namespace_option,
    open_option,
    release_option,
    rows_table,
    set_option,
    shown,
    values_option,
    wait_option,
)
from cluster.cli.options import echo_json, fleet_option, json_option
from cluster.cli.tables import show
from cluster.errors import GateError, UsageError
from cluster.kube.deploy.checks import Check, Verdict
from cluster.kube.deploy.drift import Change
from cluster.kube.deploy.helm import Helm, Revision
from cluster.kube.deploy.live import Live
from cluster.kube.deploy.preflight import refuse_unless_all_hold
from cluster.kube.deploy.rollout import Row
from cluster.kube.deploy.run import Order, apply, chart_folder, differences, draft, preflight
from cluster.kube.values.engines import Mode

if TYPE_CHECKING:
    from cluster.kube.api import Api

Command = Callable[..., None]
_MARKS = {Verdict.HOLDS: "ok", Verdict.UNKNOWN: "??", Verdict.FAILS: "NO"}


def _order_options(command: Command) -> Command:
    for option in (open_option, chart_option, set_option, values_option, mode_option):
        command = option(command)
    return command


def _place_options(command: Command) -> Command:
    for option in (release_option, namespace_option, context_option):
        command = option(command)
    return command


@click.command()
@fleet_option
@_place_options
@_order_options
@wait_option
@click.option("--allow-pending", is_flag=True, help="Deploy although pods would wait: the cluster adds nodes.")
@click.option("--dry-run", is_flag=True, help="Only check; nothing is applied.")
@json_option
@click.pass_context
def deploy(ctx: click.Context, /, file: Path, *, dry_run: bool, as_json: bool, **given: Any) -> None:  # noqa: ANN401
    """Deploy a fleet to Kubernetes: check, apply with Helm, wait until every model answers.

    Exit code 0 when it is ready, 1 when it is not in time, 2 when this cluster cannot run it (nothing was applied), and
    3 when something outside failed.
    """
    order = _order(file, given)
    helm, api = _place(given)
    with doing("Rendering, and asking the cluster"):
        made = draft(order, helm, api)
        checks = preflight(order, made, helm, api, api.place.namespace)
    if not as_json:
        _say(checks)
    if as_json and any(one.verdict is Verdict.FAILS for one in checks):
        echo_json({"applied": False, "checks": _facts(checks)})
    refuse_unless_all_hold(checks)
    if dry_run:
        if as_json:
            echo_json({"applied": False, "checks": _facts(checks), "objects": len(made.rendered)})
        else:
            click.echo(f"Every check holds; {len(made.rendered)} objects would be applied. Nothing was.")
        return
    with doing("Helm applies it"):
        revision = apply(made, helm, api, api.place.namespace)
    if not as_json:
        click.echo(f"Revision {revision} of {helm.release} is applied; waiting until it is ready.", err=True)
    started = time.monotonic()
    rows = _wait(api, helm.release, made.names, given["timeout"], made.workloads, silent=as_json)
    seconds = time.monotonic() - started
    if as_json:
        told = {"applied": True, "revision": revision, "seconds": round(seconds, 1), "checks": _facts(checks)}
        echo_json(told | {"ready": _ready(rows), "rows": [as_facts(row) for row in rows]})
        ctx.exit(0 if _ready(rows) else 1)
    _conclude(rows, helm, seconds, revision)


def _conclude(rows: tuple[Row, ...], helm: Helm, seconds: float, revision: int) -> None:
    show(rows_table(rows))
    where = " ".join(["--release", helm.release, *helm.place])
    if _ready(rows):
        click.echo(f"Ready in {seconds:.1f} s at revision {revision}. Try it: {helm.test}")
        return
    late = ", ".join(row.name for row in rows if not row.is_ready)
    watch = f"revision {revision} stays; watch it: freehold status {where} --watch"
    msg = f"not ready after {seconds:.0f} s: {late}\n{watch}\nundo it: {helm.undo(revision - 1)}"
    raise GateError(msg)


def _wait(  # noqa: PLR0913 - what is waited for
    api: Api,
    release: str,
    names: dict[str, str],
    seconds: float,
    expected: tuple[tuple[str, str], ...],
    *,
    silent: bool,
) -> tuple[Row, ...]:
    rows: tuple[Row, ...] = ()
    with Live(api, release, api.place.namespace, names) as live:
        for rows in shown(live.changes(seconds, expected), silent=silent):
            if _ready(rows):
                break
        for trouble in live.troubles:
            click.echo(f"not seen: {trouble}", err=True)
    return rows


def _ready(rows: tuple[Row, ...]) -> bool:
    return bool(rows) and all(row.is_ready for row in rows)


def _order(file: Path, given: dict[str, Any]) -> Order:
    return Order(
        file=file,
        mode=Mode(given["mode"]),
        open_to_all=given["open_to_all"],
        values=given["values"],
        assignments=given["assignments"],
        may_wait=given.get("allow_pending", False),
    )


def _place(given: dict[str, Any]) -> tuple[Helm, Api]:
    api = connect(given["context"], given["namespace"])
    chart = chart_folder(given["chart"]) if "chart" in given else Path()
    return Helm(given["release"], api.place.namespace, given["context"], chart), api


def _say(checks: tuple[Check, ...]) -> None:
    for one in checks:
        if one.verdict is not Verdict.FAILS:
            click.echo(f"  {_MARKS[one.verdict]}  {one}", err=True)


def _facts(checks: tuple[Check, ...]) -> list[dict[str, str]]:
    return [asdict(one) | {"verdict": one.verdict.value} for one in checks]


@click.command()
@fleet_option
@_place_options
@_order_options
@json_option
@click.pass_context
def diff(ctx: click.Context, /, file: Path, *, as_json: bool, **given: Any) -> None:  # noqa: ANN401 - options, passed on
    """Show what a deploy would change, and what somebody changed by hand; exit code 1 when there is anything.

    What could be a secret is not shown.
    """
    helm, api = _place(given)
    with doing("Rendering, and asking the cluster"):
        found = differences(draft(_order(file, given), helm, api), helm, api, api.place.namespace)
    if as_json:
        facts = {"release": found.release, "drift": found.drift, "kept": found.kept}
        echo_json({name: [asdict(one) for one in changes] for name, changes in facts.items()})
    else:
        _list("deploy would change", found.release)
        _list("changed by hand, and a deploy would change it back", found.drift)
        _list("added by hand, and a deploy would keep it", found.kept)
    ctx.exit(1 if found.release or found.drift or found.kept else 0)


def _list(title: str, changes: tuple[Change, ...]) -> None:
    click.echo(f"{title}: {len(changes) or 'nothing'}")
    for one in changes:
        click.echo(f"  {one}")


def _working(history: tuple[Revision, ...]) -> int:
    """The newest revision before the last that Helm had applied whole."""
    whole = [one.number for one in history[:-1] if one.status in {"superseded", "deployed"}]
    return whole[-1] if whole else history[-2].number


@click.command()
@_place_options
@click.option("--to", type=click.IntRange(min=1), help="The revision to go back to. Default: the one before.")
@wait_option
@json_option
@click.pass_context
def rollback(ctx: click.Context, /, *, to: int | None, timeout: float, as_json: bool, **given: Any) -> None:  # noqa: ANN401
    """Go back to an earlier revision of the release, and wait until it is ready."""
    helm, api = _place(given)
    history = helm.history()
    numbers = [one.number for one in history]
    if len(numbers) < 2 and to is None:  # noqa: PLR2004 - one to go back from, one to go back to
        msg = f"release {helm.release!r} in {api.place.namespace!r} has no earlier revision ({len(numbers)} in all)"
        raise UsageError(msg)
    if to is not None and to not in numbers:
        msg = f"--to {to}: release {helm.release!r} has the revisions {', '.join(map(str, numbers)) or 'none'}"
        raise UsageError(msg)
    target = to if to is not None else _working(history)
    with doing(f"Helm applies revision {target} again"):
        helm.rollback(target)
    revision = helm.history()[-1].number
    if not as_json:
        click.echo(f"Revision {revision} is revision {target} again; waiting until it is ready.", err=True)
    started = time.monotonic()
    rows = _wait(api, helm.release, models_by_slug(api, helm.release), timeout, (), silent=as_json)
    seconds = time.monotonic() - started
    if as_json:
        facts = {"revision": revision, "of": target, "seconds": round(seconds, 1), "ready": _ready(rows)}
        echo_json(facts | {"rows": [as_facts(row) for row in rows]})
        ctx.exit(0 if _ready(rows) else 1)
    _conclude(rows, helm, seconds, revision)
