"""A file of recorded prompts → conversations; the only importer of ``pyarrow``."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.client.ask import Message
from cluster.errors import UsageError

Conversation = list[Message]


def read_prompts(file: Path, limit: int) -> list[Conversation]:
    """The first ``limit`` conversations of a parquet or JSON-lines file with a ``prompt`` or ``messages`` column."""
    rows = _parquet_rows(file, limit) if file.suffix == ".parquet" else _json_rows(file)
    found = [_conversation(row, f"{file}:{number}") for number, row in enumerate(itertools.islice(rows, limit), 1)]
    if not found:
        msg = f"{file} holds no prompts"
        raise UsageError(msg)
    return found


def _conversation(row: Any, where: str) -> Conversation:  # noqa: ANN401 - any JSON
    messages, prompt = (row.get("messages"), row.get("prompt")) if isinstance(row, dict) else (None, None)
    if isinstance(messages, list) and messages:
        return messages
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    msg = f"{where}: needs a text 'prompt' or a list 'messages'"
    raise UsageError(msg)


def _json_rows(file: Path) -> Iterator[Any]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _json_row(line, f"{file}:{number}")
    except (OSError, UnicodeDecodeError) as exc:
        msg = f"{file} cannot be read: {exc}"
        raise UsageError(msg) from exc


def _json_row(line: str, where: str) -> object:
    try:
        return json.loads(line)
    except ValueError as exc:
        msg = f"{where}: is not JSON: {exc}; a file of prompts has one object a line"
        raise UsageError(msg) from exc


def _parquet_rows(file: Path, limit: int) -> Iterator[Any]:
    try:
        from pyarrow import ArrowInvalid, parquet  # noqa: PLC0415 - the base install does without it
    except ImportError as exc:
        msg = "parquet files need pyarrow: pip install pyarrow, or convert the file to JSON lines"
        raise UsageError(msg) from exc
    try:
        with parquet.ParquetFile(file) as table:
            columns = [name for name in ("prompt", "messages") if name in table.schema_arrow.names]
            for batch in table.iter_batches(batch_size=limit, columns=columns):
                yield from batch.to_pylist()
    except (OSError, ArrowInvalid) as exc:
        msg = f"{file} cannot be read: {exc}"
        raise UsageError(msg) from exc
