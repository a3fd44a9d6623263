"""``freehold calibrate``: fit the timing of a model to what its own hardware measures."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from cluster.cli.options import echo_json, endpoint, fleet_option, json_option, key_option, url_option
from cluster.client.http import Endpoint
from cluster.client.sweep import Plan, from_bench, measure
from cluster.errors import UsageError
from cluster.latency.calibration import Point, applied, fit, keep, wrong
from cluster.load import load_fleet
from cluster.spec import Model

_FEWEST = 2


@click.command()
@fleet_option
@click.option("-m", "--model", "name", required=True, help="The model's name in the fleet file.")
@click.option(
    "--bench",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="A result of vllm bench serve --save-result; several for several loads. Default: measure the running fleet.",
)
@click.option("--callers", default="1,2,4,8,16", show_default=True, help="Loads to measure, as requests under way.")
@click.option("--requests", type=click.IntRange(min=2), default=5, show_default=True, help="Requests of each caller.")
@click.option("--prompt-words", type=click.IntRange(min=1), default=200, show_default=True, help="Length of prompts.")
@click.option("--max-tokens", type=click.IntRange(min=8), default=64, show_default=True, help="Length of answers.")
@click.option("--dry-run", is_flag=True, help="Show the errors, keep nothing.")
@url_option
@key_option
@json_option
def calibrate(  # noqa: PLR0913 - click passes one argument per option
    *,
    file: Path,
    name: str,
    bench: tuple[Path, ...],
    callers: str,
    requests: int,
    prompt_words: int,
    max_tokens: int,
    dry_run: bool,
    url: str,
    key: str,
    as_json: bool,
) -> None:
    """Fit a model's timing to measurements, and show the error before and after.

    What is found is kept in FREEHOLD_HOME; plans, simulations, predictions and simulated engines use it from then on.
    """
    fleet = load_fleet(file)
    if name not in fleet.models:
        msg = f"--model {name}: not in {file}; it has {', '.join(fleet.models)}"
        raise UsageError(msg)
    loads = _loads(callers)
    if bench:
        points = [from_bench(path) for path in bench]
    else:
        plan = Plan(name, prompt_words, max_tokens, requests)
        points = _sweep(endpoint(url, key), plan, loads)
    _report(fleet.models[name], points, dry_run=dry_run, as_json=as_json)


def _loads(text: str) -> list[int]:
    try:
        loads = sorted({int(part) for part in text.split(",")})
    except ValueError:
        loads = []
    if len(loads) < _FEWEST or loads[0] < 1:
        msg = f"--callers {text}: name at least two loads from 1 up, such as 1,4,16"
        raise UsageError(msg)
    return loads


def _sweep(gateway: Endpoint, plan: Plan, loads: list[int]) -> list[Point]:
    console = Console(file=sys.stderr)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=plan.passes * sum(load * plan.rounds(load) for load in loads))
        return measure(gateway, plan, loads, lambda: progress.advance(task))


def _report(model: Model, points: list[Point], *, dry_run: bool, as_json: bool) -> None:
    from cluster.latency.replica import calibration_key, uncalibrated  # noqa: PLC0415 - numpy loads when it is needed

    if len(points) < _FEWEST:
        msg = "--bench: name results of at least two loads; one cannot tell a step's parts apart"
        raise UsageError(msg)
    timing = uncalibrated(model)
    factors = fit(timing, points)
    halves = applied(timing, fit(timing, points[::2]))
    errors = {
        "before": asdict(wrong(timing, points)),
        "after": asdict(wrong(applied(timing, factors), points)),
        "held_out": asdict(wrong(halves, points[1::2])),
    }
    kept = "" if dry_run else str(keep(calibration_key(model), factors))
    if as_json:
        echo_json({"errors": errors, "factors": factors, "points": [asdict(point) for point in points], "file": kept})
        return
    for what, said in (
        ("before", "before"),
        ("after", "after"),
        ("held_out", "every other load predicted from the rest"),
    ):
        click.echo(f"{said}: TPOT {errors[what]['tpot']:.0%}, TTFT {errors[what]['ttft']:.0%} off (median)")
    click.echo(f"kept in {kept}" if kept else "nothing kept")
