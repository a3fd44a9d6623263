"""``freehold predict`` from the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cluster.cli import freehold
from tests.cluster.latency.rows import ROW


def predict(source: Path, *arguments: str) -> Result:
    """Run the command."""
    out = source.with_name("out.csv")
    return CliRunner().invoke(freehold, ["predict", "--csv", str(source), "--out", str(out), *arguments])


def test_rows_come_back_with_predictions(tmp_path: Path) -> None:
    """Every row, in order, its own columns first; unknown ones with a reason instead."""
    source = tmp_path / "in.csv"
    rows = [ROW, ROW | {"metric": "ttft"}, ROW | {"gpu": "Z80"}]
    with source.open("w", newline="") as file:
        writer = csv.DictWriter(file, ROW)
        writer.writeheader()
        writer.writerows(rows)
    done = predict(source, "--json")
    assert json.loads(done.stdout) == {"rows": 3, "answered": 2, "out": str(tmp_path / "out.csv")}
    found = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [{name: row[name] for name in ROW} for row in found] == rows
    assert all(float(row["low"]) < float(row["high"]) for row in found[:2])
    assert found[2]["reason"].startswith("no data for this: no GPU 'Z80'")


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b"a,b\n1,2\n", "no column model, gpu, load_kind, metric"), (b"\xff\xfe", "no text in UTF-8"), (b"", "no column")],
    ids=["columns", "binary", "empty"],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, cause: str) -> None:
    """In one line that names the file, with exit code 2."""
    source = tmp_path / "in.csv"
    source.write_bytes(content)
    done = predict(source)
    assert done.exit_code == 2
    assert cause in done.stderr
