"""``freehold router``: train, score, evaluate, promote and roll back a router made from your own labels.

The work is done by ``python -m router.learn``, which also explains the options.
"""

from __future__ import annotations

import os
import subprocess
import sys

import click

from cluster.supervise.state import Home

_COMMANDS = {
    "train": "Learn from labels which prompts gain by the large model.",
    "score": "Write a score for each prompt; higher means the large model.",
    "eval": "Measure a trained router on labels: AUC, APGR, CPT, AIQ with intervals.",
    "promote": "Put a trained router in use, from the gateway's next start on.",
    "rollback": "Take the latest promotion back.",
}


@click.group()
def router() -> None:
    """Train a router on your own labels."""


def _command(name: str, about: str) -> click.Command:
    @click.pass_context
    def run(context: click.Context, arguments: tuple[str, ...]) -> None:
        command = [sys.executable, "-m", "router.learn", name, *arguments]
        home = str(Home.from_environment().root)
        context.exit(subprocess.run(command, check=False, env={**os.environ, "FREEHOLD_HOME": home}).returncode)

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
