"""``freehold loadtest``: becomes ``python -m loadtests`` with the same options, by default for the fleet that is up.

Another program, because what it runs on changes the sockets of the process that it runs in.
"""

from __future__ import annotations

import os
import sys

import click

from cluster.cli.options import endpoint

_WITHOUT_FLEET = {"--url", "--help", "-h", "compare"}
"""Words with which nobody needs to look for the fleet that is up."""


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def loadtest(options: tuple[str, ...]) -> None:
    """Send a fleet the load that its file expects, and judge it by its promises; compare two results.

    Options: freehold loadtest --help. Exit code 1 where a promise was not held.
    """
    environment = dict(os.environ)
    if not _WITHOUT_FLEET & {option.partition("=")[0] for option in options}:
        found = endpoint(os.environ.get("FREEHOLD_URL", ""), os.environ.get("FREEHOLD_KEY", ""))
        environment |= {"FREEHOLD_URL": found.url} | ({"FREEHOLD_KEY": found.key} if found.key else {})
    os.execve(sys.executable, [sys.executable, "-m", "loadtests", *options], environment)  # noqa: S606 - no shell wanted
