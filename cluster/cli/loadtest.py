"""``freehold loadtest``: starts ``python -m loadtests`` with the same options, by default against the fleet that is up.

A process of its own, because what it runs on changes the sockets of the process that it runs in.
"""

from __future__ import annotations

import os
import subprocess
import sys

import click

from cluster.cli.options import endpoint
from cluster.errors import FreeholdError

_WITHOUT_FLEET = {"--url", "--help", "-h", "compare"}
"""Words with which nobody needs to look for the fleet that is up."""


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def loadtest(ctx: click.Context, options: tuple[str, ...]) -> None:
    """Send a fleet the load that its file expects, and judge it by its promises; compare two results.

    Options: freehold loadtest --help. Exit code 1 where a promise was not held.
    """
    environment = dict(os.environ)
    if not _WITHOUT_FLEET & {option.partition("=")[0] for option in options}:
        found = endpoint(os.environ.get("FREEHOLD_URL", ""), os.environ.get("FREEHOLD_KEY", ""))
        environment |= {"FREEHOLD_URL": found.url} | ({"FREEHOLD_KEY": found.key} if found.key else {})
    try:
        ctx.exit(subprocess.call([sys.executable, "-m", "loadtests", *options], env=environment))
    except KeyboardInterrupt:
        msg = "the load test was interrupted"
        raise FreeholdError(msg) from None
