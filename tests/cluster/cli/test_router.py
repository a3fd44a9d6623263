"""``freehold router`` hands its arguments to the trainer, and its exit code back."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from click.testing import CliRunner

from cluster.cli import freehold
from tests.router.learn.prompts import labels


def test_train_and_promote_from_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Into the home that the environment names."""
    file = tmp_path / "labels.jsonl"
    rows = (
        {"id": label.id, "prompt": label.prompt, "weak_score": label.weak, "strong_score": label.strong}
        for label in labels(220)
    )
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    environment = {"FREEHOLD_HOME": str(tmp_path / "home")}
    made = str(tmp_path / "made")
    for arguments in (["train", "--labels", str(file), "--out", made], ["promote", "--model", made]):
        assert CliRunner().invoke(freehold, ["router", *arguments], env=environment).exit_code == 0
    assert (tmp_path / "home" / "router" / "promoted.json").is_file()
    assert "promoted: " in capfd.readouterr().out


@pytest.mark.parametrize("arguments", [["train"], ["eval", "--model", "nowhere", "--labels", "nowhere"]], ids=str)
def test_wrong_use_is_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    """As of every command."""
    environment = {"FREEHOLD_HOME": str(tmp_path)}
    assert CliRunner().invoke(freehold, ["router", *arguments], env=environment).exit_code == 2
