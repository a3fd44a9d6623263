"""Samples in a file: a header, then one JSON array a line.

Written as they come and read as a stream, so that neither side's memory grows with the run. A line is about 150 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, cast

import orjson

from cluster.errors import UsageError
from loadtests.facts import Kind, Outcome, Sample

_KIND = Sample._fields.index("kind")
_OUTCOME = Sample._fields.index("outcome")


class SampleFile:
    """A file of samples that is being written; use it as a context."""

    def __init__(self, path: Path) -> None:
        """Begin it anew, whatever lies there."""
        self._file = path.open("wb")
        self._file.write(orjson.dumps(Sample._fields) + b"\n")
        self.path, self.count = path, 0

    def add(self, samples: Iterable[Sample]) -> None:
        """Append some."""
        for sample in samples:
            self._file.write(orjson.dumps(tuple(sample)) + b"\n")
            self.count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_samples(path: Path) -> Iterator[Sample]:
    """Every sample of a file; UsageError where it is none of ours."""
    try:
        with path.open("rb") as lines:
            if tuple(orjson.loads(lines.readline())) != Sample._fields:
                msg = f"{path}: its first line does not name the columns of a sample; was it written by this version?"
                raise UsageError(msg)
            for line in lines:
                yield as_sample(orjson.loads(line))
    except (OSError, ValueError, TypeError) as exc:
        msg = f"{path}: cannot be read as samples: {exc}"
        raise UsageError(msg) from exc


def as_sample(row: list[object]) -> Sample:
    """A line's values as a sample; ValueError or TypeError where they are none."""
    row[_KIND], row[_OUTCOME] = Kind(cast("str", row[_KIND])), Outcome(cast("str", row[_OUTCOME]))
    return Sample(*row)  # type: ignore[arg-type]  # the file's own columns, checked by its header
