"""The logs of a fleet's last start: which files belong to a name, their last lines, and what is added to them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from cluster.errors import UsageError
from cluster.supervise.state import Home

_POLL_S = 0.2


def find_log(home: Home, name: str) -> Path:
    """The log of a model, or of ``gateway``, ``serving`` or ``supervisor``."""
    known = sorted(file.stem for file in home.logs.glob("*.log"))
    if name in known:
        return home.logs / f"{name}.log"
    msg = f"no log named {name!r} under {home.logs}; there are {', '.join(known) or 'none'}"
    raise UsageError(msg)


def last_lines(log: Path, count: int) -> tuple[list[str], int]:
    """The last ``count`` lines, and the position behind them, where following goes on."""
    with log.open("rb") as lines:
        return [_text(line) for line in deque(lines, count)], lines.tell()


def added_lines(log: Path, position: int) -> Iterator[str]:
    """Every line from ``position`` on, as it comes, until the caller loses interest."""
    with log.open("rb") as lines:
        lines.seek(position)
        while True:
            line = lines.readline()
            if line:
                yield _text(line)
            else:
                time.sleep(_POLL_S)


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\n")
