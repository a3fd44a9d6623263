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


def last_lines(log: Path, count: int) -> list[str]:
    """The last ``count`` lines."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        return [line.rstrip("\n") for line in deque(lines, count)]


def added_lines(log: Path) -> Iterator[str]:
    """Every line from now on, until the caller loses interest."""
    with log.open(encoding="utf-8", errors="replace") as lines:
        lines.seek(0, 2)
        while True:
            line = lines.readline()
            if line:
                yield line.rstrip("\n")
            else:
                time.sleep(_POLL_S)
