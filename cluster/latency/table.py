"""``freehold predict``: a CSV file of configurations in, the same with predictions out."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cluster.errors import UsageError

ADDED = ("predicted", "low", "high", "reason")
_LARGEST = 256 << 20
_NEEDED = ("model", "gpu", "load_kind", "metric")


@dataclass(frozen=True, slots=True)
class Done:
    """How many rows there were, and how many have a prediction."""

    rows: int
    answered: int


def predict_file(source: Path, target: Path, watch: Callable[[list[dict[str, str]]], Iterable[dict[str, str]]]) -> Done:
    """Predict every row; ``watch`` may wrap the rows to show progress.

    Raises :class:`~cluster.errors.UsageError` for a file that is too large, no CSV, or lacks a column.
    """
    from cluster.latency.predict import predict_row  # noqa: PLC0415 - numpy loads when it is needed

    rows = _read(source)
    columns = [name for name in rows[0] if name not in ADDED] if rows else []
    answers = [predict_row(row) for row in watch(rows)]
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*columns, *ADDED], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(answers)
    return Done(len(rows), sum(bool(row["predicted"]) for row in answers))


def _read(source: Path) -> list[dict[str, str]]:
    if source.stat().st_size > _LARGEST:
        msg = f"{source}: larger than {_LARGEST >> 20} MiB; predict in parts"
        raise UsageError(msg)
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError as exc:
        msg = f"{source}: no text in UTF-8 at byte {exc.start}; export it as CSV"
        raise UsageError(msg) from exc
    table = csv.DictReader(text.splitlines(), restval="")
    missing = [name for name in _NEEDED if name not in (table.fieldnames or ())]
    if missing:
        msg = f"{source}: no column {', '.join(missing)}; the first line must name the columns"
        raise UsageError(msg)
    try:
        return [{name: value for name, value in row.items() if name is not None} for row in table]
    except csv.Error as exc:
        msg = f"{source}: line {table.line_num}: {exc}"
        raise UsageError(msg) from exc
