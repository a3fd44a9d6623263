"""``freehold chat``, ``route``, ``replay``: asking a gateway, wherever it runs."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import click
from rich.progress import Progress

from cluster.cli.options import (
    Header,
    echo_json,
    endpoint,
    json_option,
    key_option,
    max_tokens_option,
    model_option,
    url_option,
)
from cluster.cli.tables import candidates_table, replay_table, show
from cluster.client.ask import Answer, Question, ask_streaming
from cluster.client.http import Endpoint
from cluster.client.prompts import read_prompts
from cluster.client.replay import replay as replay_all
from cluster.client.replay import rows
from cluster.errors import GateError


@click.command()
@click.argument("prompt", required=False)
@model_option
@max_tokens_option
@url_option
@key_option
def chat(prompt: str | None, model: str, max_tokens: int, url: str, key: str) -> None:
    """Talk to the fleet: one PROMPT (or standard input), or a conversation until Ctrl-D."""
    gateway = endpoint(url, key)
    if prompt is None and not sys.stdin.isatty():
        prompt = sys.stdin.read()
    if prompt is not None:
        _turn(gateway, Question([{"role": "user", "content": prompt}], model, max_tokens))
        return
    messages: list[dict[str, str]] = []
    while said := _said():
        messages.append({"role": "user", "content": said})
        answer = _turn(gateway, Question(messages, model, max_tokens))
        messages.append({"role": "assistant", "content": answer.text})


def _said() -> str:
    try:
        return str(click.prompt("you", prompt_suffix="> "))
    except click.Abort:
        click.echo()
        return ""


def _turn(gateway: Endpoint, question: Question) -> Answer:
    answer = ask_streaming(gateway, question, lambda piece: click.echo(piece, nl=False))
    speed = f" · {1 / answer.tpot_s:.0f} tokens/s" if answer.tpot_s else ""
    click.echo()
    click.secho(
        f"{answer.model} ({answer.tier}: {answer.reason}) · TTFT {(answer.ttft_s or 0) * 1000:.0f} ms"
        f" · {answer.completion_tokens} tokens{speed}",
        dim=True,
        err=True,
    )
    return answer


@click.command()
@click.argument("prompt")
@click.option(
    "-H",
    "--header",
    "headers",
    type=Header(),
    multiple=True,
    help="A header of the request, such as x-freehold-egress:never; may be repeated.",
)
@model_option
@url_option
@key_option
@json_option
def route(  # noqa: PLR0913 - the options of a command
    prompt: str, headers: tuple[tuple[str, str], ...], model: str, url: str, key: str, *, as_json: bool
) -> None:
    """Print how the router would decide on PROMPT, and why, without generating anything."""
    question = Question([{"role": "user", "content": prompt}], model)
    told = endpoint(url, key).post("/v1/route", question.body(), dict(headers)).body
    if as_json:
        echo_json(told)
        return
    adapter = f" with {told['adapter']}" if told["adapter"] else ""
    click.echo(f"{told['model']}{adapter} ({told['tier']}: {told['reason']})")
    show(candidates_table(told["candidates"]))
    click.echo(f"{told['prompt_tokens']} prompt tokens · {told['dial']['says']}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), default=200, show_default=True, help="How many prompts at most.")
@click.option("--stream/--no-stream", default=True, show_default=True, help="Streamed answers show TTFT and TPOT.")
@click.option("--concurrency", type=click.IntRange(1, 512), default=8, show_default=True, help="Prompts at a time.")
@model_option
@max_tokens_option
@url_option
@key_option
@json_option
def replay(  # noqa: PLR0913 - the options of a command
    file: Path,
    model: str,
    url: str,
    key: str,
    *,
    limit: int,
    stream: bool,
    concurrency: int,
    max_tokens: int,
    as_json: bool,
) -> None:
    """Send the prompts of FILE (parquet or JSON lines, column prompt or messages) and sum up the answers."""
    questions = [Question(messages, model, max_tokens) for messages in read_prompts(file, limit)]
    with Progress(transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("prompts", total=len(questions))
        outcomes = replay_all(
            endpoint(url, key), questions, stream=stream, concurrency=concurrency, on_done=lambda: bar.advance(task)
        )
    summary = rows(outcomes)
    if as_json:
        echo_json({"file": str(file), "model": model, "rows": [dataclasses.asdict(row) for row in summary]})
    else:
        show(replay_table(summary))
    errors = [outcome.error for outcome in outcomes if outcome.error]
    if errors:
        msg = f"{len(errors)} of {len(outcomes)} prompts got no answer; the first: {errors[0]}"
        raise GateError(msg)
