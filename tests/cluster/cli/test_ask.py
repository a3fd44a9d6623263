"""chat, route and replay against a server that needs no fleet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cli.conftest import Here
from tests.openai_server import openai_server


@pytest.fixture
def url() -> Iterator[str]:
    """An OpenAI-compatible server."""
    with openai_server() as url:
        yield url


@pytest.fixture
def nowhere(tmp_path: Path) -> Here:
    """A home without a fleet."""
    return Here(tmp_path / "home", tmp_path / "fleet.yaml", 1)


def test_chat_prints_the_answer_and_then_its_figures(nowhere: Here, url: str) -> None:
    """The answer goes to standard output, the figures beside it, so that a pipe gets the answer alone."""
    said = nowhere.run("chat", "Hello", FREEHOLD_URL=url)
    assert (said.returncode, said.stdout) == (0, "Hello world\n")
    assert "TTFT" in said.stderr
    assert "3 tokens" in said.stderr


def test_chat_reads_a_prompt_from_a_pipe(nowhere: Here, url: str) -> None:
    """Without PROMPT and terminal, standard input is the prompt."""
    said = nowhere.run("chat", "--url", url, stdin="please refuse this")
    assert said.returncode == 2
    assert "this server refuses (HTTP 400)" in said.stderr


@pytest.mark.parametrize("command", [("chat", "Hi"), ("route", "Hi"), ("status",)], ids=lambda command: command[0])
def test_without_a_fleet_there_is_one_line(nowhere: Here, command: tuple[str, ...]) -> None:
    """It says where a fleet was looked for."""
    said = nowhere.run(*command)
    assert said.returncode == 3
    assert said.stderr.startswith(f"freehold: no fleet runs under {nowhere.home}")
    assert said.stderr.count("\n") == 1


def test_replay_sums_up_and_fails_with_errors(nowhere: Here, url: str, tmp_path: Path) -> None:
    """Every prompt is in the table; one without an answer makes the command fail."""
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "a"}\n{"prompt": "b"}\n{"prompt": "refuse"}\n')
    whole = nowhere.run("replay", str(file), "--limit", "2", "--json", FREEHOLD_URL=url)
    assert whole.returncode == 0, whole.stderr
    *_, everything = json.loads(whole.stdout)["rows"]
    assert (everything["count"], everything["errors"], everything["completion_tokens"]) == (2, 0, 6)
    failed = nowhere.run("replay", str(file), "--no-stream", FREEHOLD_URL=url)
    assert failed.returncode == 1
    assert "1 of 3 prompts got no answer; the first: this server refuses (HTTP 400)" in failed.stderr
    assert "TTFT p50" in failed.stdout


def test_replay_of_no_file_is_wrong_use(nowhere: Here, url: str) -> None:
    """The file is named."""
    said = nowhere.run("replay", "none.jsonl", FREEHOLD_URL=url)
    assert said.returncode == 2
    assert "none.jsonl cannot be read" in said.stderr
