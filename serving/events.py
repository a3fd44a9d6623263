"""What ``python -m serving`` says: one JSON object a line on standard output, and nothing else there."""

from __future__ import annotations

import json
import os
import sys
from typing import TextIO


def emit(event: str, **facts: str | float) -> None:
    """Say that something happened."""
    print(json.dumps({"event": event, **facts}), file=_voice, flush=True)


def keep_stdout() -> None:
    """From now on only events reach standard output; what libraries print there goes to standard error."""
    global _voice  # noqa: PLW0603 - a process has one standard output
    _voice = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)


_voice: TextIO = sys.stdout
