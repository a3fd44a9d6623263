"""A trace of requests, as a CSV file or gzipped → arrays, read as a stream and within bounds.

Whatever the file is, the outcome is a :class:`Trace` or a UsageError that names file and line.
"""

from __future__ import annotations

import gzip
import os
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, NoReturn

import numpy as np

from cluster.demand.lengths import Counts, Floats, Requests
from cluster.errors import UsageError

MAX_BYTES: Final = 256 << 20
"""Of text, once unpacked: about ten million requests. A longer trace says nothing more about a week."""
MAX_ROWS: Final = 5_000_000
_TOO_LONG: Final = f"over {MAX_ROWS:,} requests or {MAX_BYTES >> 20} MiB; cut it to the busiest day or sample it"
_MAX_LINE: Final = 4096
_MAX_TOKENS: Final = 100_000_000
_CACHED: Final = ("cached_prefix_tokens", "cached_prefix_tokens_inf")
_NEEDED: Final = ("arrival_s", "prompt_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests that were seen, in the order of their arrival."""

    arrival_s: Floats
    """Seconds since the first, ascending."""
    requests: Requests

    @property
    def span_s(self) -> float:
        """Seconds from the first arrival to the last; more than 0."""
        return float(self.arrival_s[-1])

    def draw(self, count: int, rng: np.random.Generator) -> Requests:
        """So many at random, each with its own prompt and answer together."""
        return self.at(rng.integers(0, len(self.arrival_s), count))

    def even(self, count: int) -> Requests:
        """Every so-many-th by the length of the prompt."""
        order = np.lexsort((self.requests.output_tokens, self.requests.prompt_tokens))
        count = min(count, len(order))
        return self.at(order[((np.arange(count) + 0.5) * len(order) / count).astype(np.int64)])

    def at(self, places: Counts) -> Requests:
        """The requests at some places."""
        kept = self.requests
        return Requests(kept.prompt_tokens[places], kept.output_tokens[places], kept.cached_tokens[places])


def read_trace(path: Path) -> Trace:
    """Read a trace with the columns ``arrival_s,prompt_tokens,output_tokens`` and perhaps ``cached_prefix_tokens``."""
    try:
        with _opened(path) as stream:
            return _checked(path, _columns(path, stream))
    except (OSError, EOFError, ValueError, zlib.error) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        _refuse(f"{path}: cannot be read: {reason}")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as raw:
        if raw.read(2) == b"\x1f\x8b":
            raw.seek(0)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield unpacked  # type: ignore[misc]  # reads like one
        else:
            if os.fstat(raw.fileno()).st_size > MAX_BYTES:
                _refuse(f"{path}: {_TOO_LONG}")
            raw.seek(0)
            yield raw


def _columns(path: Path, stream: BinaryIO) -> tuple[array[float], ...]:
    """Arrival, prompt, output and cached tokens, a value a row."""
    names = [name.strip() for name in stream.readline(_MAX_LINE).decode("utf-8-sig", "replace").split(",")]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        _refuse(f"{path}:1: no column {missing[0]}; the first line must name {','.join(_NEEDED)}")
    cached = next((name for name in _CACHED if name in names), None)
    places = [names.index(name) for name in (*_NEEDED, *([cached] if cached else []))]
    columns = tuple(array("d") for _ in range(4))
    seen = 0
    for number, line in enumerate(iter(lambda: stream.readline(_MAX_LINE), b""), 2):
        seen += len(line)
        if seen > MAX_BYTES or number > MAX_ROWS:
            _refuse(f"{path}: {_TOO_LONG}")
        if not line.strip():
            continue
        fields = line.split(b",")
        try:
            values = [float(fields[place]) for place in places]
        except (IndexError, ValueError):
            _refuse(f"{path}:{number}: is not {len(names)} numbers: {line[:40]!r}")
        for column, value in zip(columns, values if cached else (*values, 0), strict=True):
            column.append(value)
    return columns


def _checked(path: Path, columns: tuple[array[float], ...]) -> Trace:
    arrival, prompt, output, cached = (np.frombuffer(column) if column else np.empty(0) for column in columns)
    if len(arrival) < 2:  # noqa: PLR2004 - one arrival has no rate
        _refuse(f"{path}: holds {len(arrival)} requests; a rate needs at least 2")
    for name, column, low, high in (
        ("arrival_s", arrival, 0, 1e10),
        ("prompt_tokens", prompt, 1, _MAX_TOKENS),
        ("output_tokens", output, 1, _MAX_TOKENS),
        ("cached_prefix_tokens", cached, 0, _MAX_TOKENS),
    ):
        wrong = np.flatnonzero(~((column >= low) & (column <= high)))
        if len(wrong):
            _refuse(f"{path}: {name} of request {wrong[0] + 1} is {column[wrong[0]]:g}, should be {low:g} to {high:g}")
    order = np.argsort(arrival, kind="stable")
    if arrival[order[-1]] == arrival[order[0]]:
        _refuse(f"{path}: every arrival_s is {arrival[0]:g}; a rate needs requests that come one after another")
    whole = prompt[order].astype(np.int64)
    kept = Requests(whole, output[order].astype(np.int64), np.minimum(cached[order].astype(np.int64), whole - 1))
    return Trace(arrival[order] - arrival[order[0]], kept)


def _refuse(message: str) -> NoReturn:
    raise UsageError(f"traffic.trace: {message}")  # noqa: EM102, TRY003 - made by the callers
