"""The command line, from labels to a promoted router."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import orjson
import pytest

from router.learn.__main__ import main
from tests.router.learn.prompts import labels


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A label file."""
    rows = [
        {"id": label.id, "prompt": label.prompt, "weak_score": label.weak, "strong_score": label.strong}
        for label in labels(300)
    ]
    made = tmp_path / "labels.jsonl"
    made.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return made


def test_train_score_eval_promote_rollback(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path / "home"))
    model, out, plot = tmp_path / "model", tmp_path / "scores.csv", tmp_path / "curve.svg"
    given = ["--model", str(model), "--labels", str(file)]
    assert main(["train", "--labels", str(file), "--limit", "250", "--seed", "1", "--out", str(model)]) == 0
    assert main(["score", *given, "--out", str(out)]) == 0
    with out.open() as rows:
        found = list(csv.DictReader(rows))
    assert len(found) == 300
    assert set(found[0]) == {"id", "score"}
    capsys.readouterr()
    assert main(["eval", *given, "--plot", str(plot), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["any"]["apgr"][0] > 0.6
    assert plot.read_text().startswith("<svg")
    assert main(["promote", "--model", str(model)]) == 0
    capsys.readouterr()
    assert main(["rollback", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"in_use": None}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "--labels", "nowhere.jsonl", "--out", "x"], "nowhere.jsonl: no such file"),
        (["score", "--model", "nowhere", "--labels", "x", "--out", "y"], "nowhere: no trained router there"),
        (["promote", "--model", "nowhere"], "no trained router there"),
    ],
    ids=["labels", "model", "promote"],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No traceback."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    assert main(arguments) == 2
    errors = capsys.readouterr().err
    assert told in errors
    assert errors.count("\n") == 1
