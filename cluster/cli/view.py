"""The start of a fleet as seen on the terminal: a line for everything that is done, and bars for what is under way."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from cluster.cli.tables import models_table, show
from cluster.spec import AUTO, Engine, Fleet
from cluster.supervise.events import Event, FleetReady, ModelReady, Notice, Step
from cluster.supervise.plan import Plan


class View:
    """Listens to the facts of one start; its bars exist only on a terminal."""

    def __init__(self, plan: Plan, *, detached: bool) -> None:
        """Lay out one bar for each model and one for the gateway."""
        self._plan, self._detached = plan, detached
        console = Console(highlight=False)
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        """Say what starts, and begin to move."""
        models = ", ".join(self._plan.fleet.models)
        click.echo(f"Starting fleet {self._plan.fleet.name} ({self._plan.file}): {models}")
        self._tasks = {name: self._bars.add_task(name, total=None) for name in (*self._plan.fleet.models, "gateway")}
        self._bars.start()
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        """Leave the terminal as it was."""
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show one fact."""
        match event:
            case Step(name=name, seconds=seconds) | ModelReady(model=name, seconds=seconds):
                self._done(name, seconds)
            case Notice(text=text):
                click.echo(text, err=True)
            case FleetReady():
                self._bars.stop()
                self._summary(event)
            case _:
                pass

    def _done(self, name: str, seconds: float) -> None:
        self._bars.console.print(f"  {name:<24} ready in {seconds:6.1f} s")
        task = self._tasks.pop(name, None)
        if task is not None:
            self._bars.remove_task(task)

    def _summary(self, event: FleetReady) -> None:
        record = event.record
        show(models_table(record.models))
        seen = f"the fleet in a browser: {record.url}, its API: {record.url}/docs"
        click.echo(f"Ready in {event.seconds:.1f} s at {record.url}/v1 ({seen}). Try:\n")
        key_file = self._plan.home.root / "admin.key" if self._plan.home.admin_key() else None
        click.echo(f"{sample_curl(self._plan.fleet, record.url, key_file)}\n")
        if key_file:
            click.echo(f"The fleet's admin key is in {key_file}; make others with: freehold keys create")
        models = self._plan.fleet.models.values()
        if any(model.engine is Engine.SIMULATED for model in models):
            click.echo("Simulated engines only take the time of real ones: what they say is a salad of words.")
        elif any(model.source.startswith("builtin:tiny") for model in models):
            click.echo("The tiny models have random weights, so what they say is gibberish; all else is real.")
        click.echo("Stop it with: freehold down" if self._detached else "Stop it with Ctrl-C.")


def sample_curl(fleet: Fleet, url: str, key_file: Path | None = None) -> str:
    """A command that works when pasted into a shell."""
    key = f""" -H "authorization: Bearer $(cat '{key_file}')\"""" if key_file else ""
    tiers = fleet.tiers_by_name()
    writers = [name for name, model in fleet.models.items() if not model.is_embedding]
    if writers:
        model = AUTO if tiers["small"] or tiers["large"] else writers[0]
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 24}
        path = "chat/completions"
    else:
        body, path = {"model": next(iter(fleet.models)), "input": "Hello"}, "embeddings"
    return f"curl -s {url}/v1/{path}{key} -H 'content-type: application/json' -d '{json.dumps(body)}'"
