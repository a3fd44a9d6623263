"""``freehold report``: a month for whoever signs, as markdown, as a page, or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click
from rich.console import Console

from cluster.cli.admin import over_admin_api
from cluster.cli.options import echo_json, fleet_of
from cluster.errors import RefusedError, UsageError
from cluster.spec import Fleet
from cluster.supervise.state import Home

if TYPE_CHECKING:
    from cluster.client.http import Endpoint
    from cluster.report.report import Report

_NOT_FOUND = 404
_file = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--month", metavar="YYYY-MM", help="Which month, UTC. Default: the one that goes on, so far.")
@click.option(
    "--fleet", type=_file, help="The fleet file, for prices and predictions. Default: that of the fleet here."
)
@click.option("--html", type=_file, help="Write a page with plots there.")
@click.option("--markdown", type=_file, help="Write the text there instead of printing it.")
@over_admin_api
def report(  # noqa: PLR0913 - an option each
    gateway: Endpoint, *, month: str | None, fleet: Path | None, html: Path | None, markdown: Path | None, as_json: bool
) -> None:
    """Report a month: what stayed on the site, what it cost, how good it was, what was promised, what to change."""
    # Here, because they bring numpy, which no other command should wait for.
    from cluster.report import drawn  # noqa: PLC0415
    from cluster.report.report import in_json  # noqa: PLC0415
    from cluster.report.sections import sections_of, title_of  # noqa: PLC0415

    with Console(stderr=True).status("Adding up"):
        found = _report(gateway, month, fleet_of(Home.from_environment(), fleet))
        title, sections = title_of(found), sections_of(found)
    text = drawn.markdown(title, sections)
    if html:
        html.write_text(drawn.html(title, sections), encoding="utf-8")
    if markdown:
        markdown.write_text(text, encoding="utf-8")
    if as_json:
        echo_json(in_json(found))
    elif not (html or markdown):
        click.echo(text, nl=False)


def _report(gateway: Endpoint, month: str | None, fleet: Fleet) -> Report:
    from cluster.report.facts import Month  # noqa: PLC0415
    from cluster.report.report import report_of  # noqa: PLC0415

    asked = {"month": month} if month else {}
    try:
        told: dict[str, Any] = gateway.get(f"/admin/report?{urlencode(asked)}").body
    except RefusedError as exc:
        if exc.status != _NOT_FOUND:
            raise
        msg = "this fleet keeps no accounts, so there is nothing to report; set tenants.access: keys"
        raise UsageError(msg) from exc
    return report_of(Month.model_validate(told), fleet)
