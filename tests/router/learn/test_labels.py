"""Label files: two formats, the same labels; what is wrong names file, row and field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from cluster.errors import UsageError
from router.learn.labels import digest, graded, read_answers, read_labels

ROWS: list[dict[str, Any]] = [
    {
        "id": f"q{at}",
        "prompt": f"Why {at}?",
        "weak_score": 0.0,
        "strong_score": 1.0,
        "weak_model": "w",
        "strong_model": "s",
    }
    for at in range(10)
]


def lines(folder: Path, rows: list[dict[str, Any]], name: str = "labels.jsonl") -> Path:
    """A file of JSON lines."""
    file = folder / name
    file.write_bytes(b"\n".join(map(orjson.dumps, rows)) + b"\n")
    return file


def test_both_formats_give_the_same_labels(tmp_path: Path) -> None:
    """And so the same hash."""
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "labels.parquet")
    one, other = read_labels([tmp_path / "labels.parquet"]), read_labels([lines(tmp_path, ROWS)])
    assert one == other
    assert digest(one) == digest(other)
    assert one[0].pair == "w -> s"


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    """As if they were one."""
    halves = [lines(tmp_path, ROWS[:5], "a.jsonl"), lines(tmp_path, ROWS[5:], "b.jsonl")]
    assert read_labels(halves) == read_labels([lines(tmp_path, ROWS)])


def test_a_limit_draws_by_seed(tmp_path: Path) -> None:
    """The same seed draws the same, another one others."""
    found = read_labels([lines(tmp_path, ROWS)])
    drawn = [[label.id for label in graded(found, 4, seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(drawn[0]) == 4


def test_prompts_that_nobody_graded_can_be_scored_but_not_learned_from(tmp_path: Path) -> None:
    """The scores may be missing where they are not needed."""
    found = read_labels([lines(tmp_path, [{"id": 1, "prompt": "x"}, ROWS[0]])])
    assert [label.id for label in found] == ["1", "q0"]
    assert [label.id for label in graded(found, None, 0)] == ["q0"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"id": "a"}', "row 1 has no prompt"),
        (b'{"prompt": "a"}', "row 1 has no id"),
        (b'{"id": "a", "prompt": "b", "weak_score": 7}', "weak_score must lie between 0 and 1, not 7"),
        (b"{broken", "line 1 is not JSON"),
        (b"[1]", "line 1 is not a JSON object"),
        (b"", "no labels in there"),
    ],
    ids=["no-prompt", "no-id", "range", "broken", "list", "empty"],
)
def test_what_is_wrong_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    """With the file's name."""
    file = tmp_path / "labels.jsonl"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=told) as caught:
        read_labels([file])
    assert "labels.jsonl" in str(caught.value)


def test_a_file_that_is_no_parquet_is_told(tmp_path: Path) -> None:
    """In one line, as an error of use."""
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="not a parquet file"):
        read_labels([tmp_path / "x.parquet"])


def test_answers_are_found_by_id(tmp_path: Path) -> None:
    """With what was read out of them, where something was."""
    rows: list[dict[str, Any]] = [
        {"id": "a", "weak_text": "It is B.", "weak_parsed_answer": "B"},
        {"id": "b", "weak_text": None},
    ]
    found = read_answers(lines(tmp_path, rows))
    assert (found["a"].text, found["a"].parsed) == ("It is B.", "B")
    assert (found["b"].text, found["b"].parsed) == ("", "")
