"""Errors at the edge of the command line: one line each, and the exit code that the error names."""

from __future__ import annotations

import click

from cluster.errors import FreeholdError


class ErrorsAsLines(click.Group):
    """A group whose commands may raise FreeholdError, and OSError where the machine says no."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except (FreeholdError, OSError) as error:
            click.echo(f"freehold: {error}", err=True)
            ctx.exit(error.exit_code if isinstance(error, FreeholdError) else FreeholdError.exit_code)
