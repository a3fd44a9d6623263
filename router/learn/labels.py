"""Label files: prompts, and how well a weak and a strong model answered each. Parquet or JSON lines; nothing is kept.

A label file has ``id`` and ``prompt``; for training also ``weak_score`` and ``strong_score`` in [0, 1]. Where it has
them, ``weak_model`` and ``strong_model`` name the pair, ``category`` the topic, and ``group`` what must stay together
when some rows are held out. A file of answers has ``id``, ``weak_text`` and ``weak_parsed_answer``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from cluster.errors import UsageError

Floats = NDArray[np.float64]

ANY_PAIR: Final = "any"
"""The pair of labels that name no models."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the weak model said."""

    text: str
    parsed: str
    """The result that was read out of it; empty where none was found."""


@dataclass(frozen=True, slots=True)
class Label:
    """One prompt; the scores are NaN where nobody graded it."""

    id: str
    prompt: str
    weak: float
    strong: float
    pair: str
    topic: str
    group: str

    @property
    def gain(self) -> float:
        """What the strong model adds."""
        return self.strong - self.weak


def read_labels(files: Sequence[Path]) -> list[Label]:
    """Every label of some files.

    Raises:
        UsageError: a file is missing, is neither parquet nor JSON lines, or a row lacks a field or has a bad score.

    """
    found = [_label(file, number, row) for file in files for number, row in enumerate(_rows(file), 1)]
    if not found:
        msg = f"{', '.join(map(str, files))}: no labels in there"
        raise UsageError(msg)
    return found


def graded(labels: Sequence[Label], limit: int | None, seed: int) -> list[Label]:
    """Those with both scores; at most ``limit``, drawn by ``seed``."""
    known = [label for label in labels if label.gain == label.gain]  # NaN is not itself
    if limit is None or limit >= len(known):
        return known
    picked = np.random.default_rng(seed).permutation(len(known))[:limit]
    return [known[at] for at in sorted(picked)]


def read_answers(file: Path | None) -> dict[str, Answer]:
    """The weak model's answers by the label's id; none without a file.

    Raises:
        UsageError: as :func:`read_labels`.

    """
    if file is None:
        return {}
    rows = ((number, row) for number, row in enumerate(_rows(file), 1))
    return {
        str(_field(file, number, row, "id")): Answer(row.get("weak_text") or "", row.get("weak_parsed_answer") or "")
        for number, row in rows
    }


def digest(labels: Sequence[Label]) -> str:
    """SHA-256 of what was learned from, whatever the file's format."""
    found = hashlib.sha256()
    for label in labels:
        found.update(orjson.dumps([label.id, label.prompt.encode("utf-8", "replace").hex(), label.weak, label.strong]))
    return found.hexdigest()


def scores_of(labels: Sequence[Label]) -> tuple[Floats, Floats]:
    """Of the weak and of the strong model."""
    return np.array([label.weak for label in labels]), np.array([label.strong for label in labels])


def _label(file: Path, number: int, row: Mapping[str, Any]) -> Label:
    weak, strong = row.get("weak_model"), row.get("strong_model")
    identity = str(_field(file, number, row, "id"))
    return Label(
        id=identity,
        prompt=str(_field(file, number, row, "prompt")),
        weak=_score(file, number, row, "weak_score"),
        strong=_score(file, number, row, "strong_score"),
        pair=f"{weak} -> {strong}" if weak and strong else ANY_PAIR,
        topic=f"{row.get('source') or ''}/{row.get('category') or ''}",
        group=str(row.get("group") or identity),
    )


def _field(file: Path, number: int, row: Mapping[str, Any], name: str) -> object:
    if row.get(name) is None:
        msg = f"{file}: row {number} has no {name}"
        raise UsageError(msg)
    return row[name]


def _score(file: Path, number: int, row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    if value is None:
        return float("nan")
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        msg = f"{file}: row {number}: {name} must lie between 0 and 1, not {str(value)[:40]}"
        raise UsageError(msg)
    return float(value)


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    if not file.is_file():
        msg = f"{file}: no such file; label files are parquet or JSON lines"
        raise UsageError(msg)
    return _parquet(file) if file.suffix == ".parquet" else _json_lines(file)


def _parquet(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - 150 MB that the gateway never needs
    except ImportError as exc:
        msg = f"{file}: reading parquet needs pyarrow; install it, or turn the file into JSON lines"
        raise UsageError(msg) from exc
    try:
        rows: list[Mapping[str, Any]] = parquet.read_table(file).to_pylist()
    except ArrowException as exc:
        msg = f"{file}: not a parquet file: {exc}"
        raise UsageError(msg) from exc
    yield from rows


def _json_lines(file: Path) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(file.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as exc:
            msg = f"{file}: line {number} is not JSON: {exc}"
            raise UsageError(msg) from exc
        if not isinstance(row, dict):
            msg = f"{file}: line {number} is not a JSON object"
            raise UsageError(msg)
        yield row
