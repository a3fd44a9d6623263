"""``python -m loadtests``: what ``freehold loadtest`` starts, in a process of its own because locust changes sockets.

Options in, calls, printing. Exit codes: 0 all promises held, 1 one did not, 2 wrong use, 3 the fleet did not answer.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import tempfile
from pathlib import Path

import click

from cluster.errors import FreeholdError, GateError, UsageError
from cluster.load import load_fleet
from loadtests.compare import compare
from loadtests.conduct import Asked, conduct
from loadtests.order import MIXES
from loadtests.result import Result, conclude, steady, whole
from loadtests.tell import Files, tell, tell_comparison


class _Seconds(click.ParamType[float]):
    """``90``, ``90s``, ``5m``, ``1h``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """In seconds, at least 1."""
        number, unit = re.fullmatch(r"([\d.]*)(.*)", str(value)).groups()  # type: ignore[union-attr] # fits any line
        try:
            seconds = float(number) * {"": 1, "s": 1, "m": 60, "h": 3600}[unit]
        except (ValueError, KeyError):
            seconds = 0
        if not seconds >= 1:
            self.fail(f"{value} is no duration; such as 90, 90s, 5m or 1h", param, ctx)
        return seconds


@click.group(
    invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--fleet",
    "file",
    type=click.Path(path_type=Path),
    default=Path("fleets/demo.yaml"),
    show_default=True,
    help="The fleet file: its promises, and how long prompts and answers are.",
)
@click.option("--users", type=click.IntRange(min=1), help="So many people chat; ready-made: 100, 500, 1000.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="So many requests a second, come what may.")
@click.option("--trace", type=click.Path(path_type=Path), help="Requests as a trace says: CSV, gzipped or not.")
@click.option("--burst", is_flag=True, help="With --rate: in bursts, with gaps that vary twice as much.")
@click.option("--duration", type=_Seconds(), default="120s", show_default=True, help="Of sending: 90s, 5m, 1h.")
@click.option("--scenario", type=click.Choice(sorted(MIXES)), default="chat", show_default=True, help="What is asked.")
@click.option("--slo", "slos", multiple=True, metavar="NAME=VALUE", help="Another promise, as ttft_p95_s=0.5; repeat.")
@click.option("--url", envvar="FREEHOLD_URL", show_envvar=True, default="", help="The gateway's address.")
@click.option("--model", default="auto", show_default=True, help="A model, a tier, or auto.")
@click.option("--key-env", "key_envs", multiple=True, metavar="NAME", help="Variable with a tenant's key; repeat.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same requests.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes; one core each.")
@click.option("--bind", metavar="HOST:PORT", help="Workers join there from elsewhere: python -m loadtests.worker.")
@click.option("--web", is_flag=True, help="Show locust's page meanwhile, at http://127.0.0.1:8089.")
@click.option("--no-ceiling", is_flag=True, help="Do not measure first what the generator can carry.")
@click.option(
    "--whole",
    "everything",
    is_flag=True,
    help="Judge all requests, not only those after the first tenth of the duration.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the result there.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a page with plots there.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write the gates as JUnit XML there.")
@click.option("--samples", type=click.Path(path_type=Path), help="Keep every request's sample there, a JSON line each.")
@click.pass_context
def loadtest(  # noqa: PLR0913, PLR0917 - options, which click gives by name
    ctx: click.Context,
    file: Path,
    users: int | None,
    rate: float | None,
    trace: Path | None,
    duration: float,
    scenario: str,
    slos: tuple[str, ...],
    url: str,
    model: str,
    key_envs: tuple[str, ...],
    seed: int,
    workers: int,
    bind: str,
    json_file: Path | None,
    html: Path | None,
    junit_file: Path | None,
    samples: Path | None,
    *,
    burst: bool,
    web: bool,
    no_ceiling: bool,
    everything: bool,
) -> None:
    """Send a fleet the load that its file expects, and judge it by the promises that its file makes."""
    if ctx.invoked_subcommand is not None:
        return
    if importlib.util.find_spec("locust") is None:
        msg = "load tests run on locust, which is not installed: pip install 'freehold[loadtest]'"
        raise UsageError(msg)
    asked = Asked(
        url=url,
        scenario=scenario,
        model=model,
        users=users,
        rate=rate,
        trace=trace,
        burst=burst,
        duration_s=duration,
        seed=seed,
        key_envs=key_envs or (("FREEHOLD_KEY",) if os.environ.get("FREEHOLD_KEY") else ()),
        workers=workers,
        bind=_address(bind) if bind else None,
        web=web,
        ceiling=not no_ceiling,
        slo=dict(map(_promise, slos)),
    )
    passed = _run(asked, file, samples, Files(json_file, html, junit_file), everything=everything)
    ctx.exit(0 if passed else GateError.exit_code)


@loadtest.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
@click.pass_context
def compare_results(ctx: click.Context, a: Path, b: Path, *, as_json: bool) -> None:
    """Say what differs in result B from result A, and how sure that is. Exit code 1 where B is worse."""
    comparison = compare(Result.read(a), Result.read(b), (str(a), str(b)))
    if as_json:
        click.echo(comparison.model_dump_json(indent=2))
    else:
        tell_comparison(comparison)
    ctx.exit(GateError.exit_code if comparison.worse else 0)


def _run(asked: Asked, file: Path, samples: Path | None, files: Files, *, everything: bool) -> bool:
    """Whether every promise held."""
    fleet = load_fleet(file)
    with tempfile.TemporaryDirectory(prefix="freehold-loadtest-") as folder:
        try:
            run = conduct(asked, fleet, file, samples or Path(folder) / "samples.jsonl")
        except KeyboardInterrupt as exc:
            msg = "the load test was interrupted"
            raise FreeholdError(msg) from exc
        result = conclude(run, fleet, whole(run) if everything else steady(run))
    files.write(result)
    tell(result)
    return result.passed


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        msg = f"--bind: must be HOST:PORT, such as 0.0.0.0:5557, is {text!r}"
        raise UsageError(msg)
    return host, int(port)


def _promise(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as exc:
        msg = f"--slo: must be NAME=VALUE, such as ttft_p95_s=0.5, is {text!r}"
        raise UsageError(msg) from exc


def main() -> None:
    """Run the command; an error is one line."""
    try:
        loadtest(prog_name="freehold loadtest")
    except (FreeholdError, OSError) as error:
        click.echo(f"freehold: {error}", err=True)
        sys.exit(error.exit_code if isinstance(error, FreeholdError) else FreeholdError.exit_code)


if __name__ == "__main__":
    main()
