"""The command ``freehold``: options in, calls, printing; what the commands do is done elsewhere.

Exit codes: 0 done, 1 a gate or check failed, 2 wrong use or bad input, 3 something outside failed. An error is one
line on standard error, without a traceback.
"""

from __future__ import annotations

from importlib.metadata import version

import click

from cluster.cli.accounts import backup, export, restore, usage
from cluster.cli.ask import chat, replay, route
from cluster.cli.calibrate import calibrate
from cluster.cli.deploy import deploy, diff, rollback
from cluster.cli.gpus import gpus
from cluster.cli.group import ErrorsAsLines
from cluster.cli.keys import keys
from cluster.cli.kube import helm_values
from cluster.cli.loadtest import loadtest
from cluster.cli.plan import plan
from cluster.cli.predict import predict
from cluster.cli.quality import egress, quality
from cluster.cli.report import report
from cluster.cli.router import router
from cluster.cli.run import down, logs, rehearse, status, up
from cluster.cli.schema import schema
from cluster.cli.simulate import simulate
from cluster.cli.tenants import tenants

__all__ = ["freehold", "main"]


@click.group(cls=ErrorsAsLines, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("freehold"), prog_name="freehold")
def freehold() -> None:
    """Own your inference: a fleet of open LLMs behind one OpenAI-compatible endpoint."""


for command in (
    *(plan, simulate, predict, calibrate, loadtest, up, rehearse, down, status, logs, chat, route, replay, router),
    *(keys, tenants, usage, egress, quality, report, export, backup, restore, schema, helm_values),
    *(deploy, diff, rollback, gpus),
):
    freehold.add_command(command)


def main() -> None:
    """Entry point of the ``freehold`` script."""
    freehold()
