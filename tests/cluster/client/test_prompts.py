"""Files of prompts are read as far as wanted, and a wrong one is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.client.prompts import read_prompts
from cluster.errors import UsageError


def test_json_lines_hold_prompts_or_messages(tmp_path: Path) -> None:
    """A text becomes a user's message; messages stay as they are."""
    file = tmp_path / "p.jsonl"
    file.write_text('{"prompt": "Hi"}\n{"messages": [{"role": "system", "content": "Be brief"}]}\n{"prompt": "no"}\n')
    assert read_prompts(file, 2) == [[{"role": "user", "content": "Hi"}], [{"role": "system", "content": "Be brief"}]]


def test_parquet_holds_prompts(tmp_path: Path) -> None:
    """Only as many rows are read as were asked for."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    file = tmp_path / "p.parquet"
    parquet.write_table(pyarrow.table({"id": [1, 2, 3], "prompt": ["a", "b", "c"]}), file)
    assert [conversation[0]["content"] for conversation in read_prompts(file, 2)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        pytest.param(
            "p.jsonl", b'{"prompt": "Hi"}\n{"text": "Hi"}\n', r"p.jsonl:2: needs a text 'prompt'", id="column"
        ),
        pytest.param("p.jsonl", b'{"prompt": "Hi"}\n{"prom\n', r"p.jsonl:2: is not JSON", id="not JSON"),
        pytest.param("p.jsonl", b"[1]\n", r"p.jsonl:1: needs a text", id="no object"),
        pytest.param("p.jsonl", b'{"messages": []}\n', r"p.jsonl:1: needs a text", id="no messages"),
        pytest.param("p.jsonl", b"", "holds no prompts", id="empty"),
        pytest.param("p.jsonl", b"\xff\n", "cannot be read", id="not UTF-8"),
        pytest.param("p.parquet", b"PAR0", "cannot be read", id="not parquet"),
    ],
)
def test_a_wrong_file_is_wrong_use(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    """The message names file and line, and the exit code says that the input is bad."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UsageError, match=expected) as caught:
        read_prompts(file, 10)
    assert caught.value.exit_code == 2


def test_a_missing_file_is_wrong_use(tmp_path: Path) -> None:
    """A file that is not there is bad input, not a crash."""
    with pytest.raises(UsageError, match="cannot be read"):
        read_prompts(tmp_path / "none.jsonl", 10)
