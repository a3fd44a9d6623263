"""Where this package finds its models and leaves its logs: below ``FREEHOLD_HOME``, as every part of a fleet does."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """``FREEHOLD_HOME``, by default ``freehold`` in the user's state directory."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(os.environ.get("FREEHOLD_HOME") or Path(state, "freehold")).absolute()


def models() -> Path:
    """The built-in models; safe to delete, made again when needed."""
    return home() / "models"


def logs() -> Path:
    """The logs of the last start, one file a model."""
    return home() / "logs"


def engine_log(model: str) -> Path:
    """What the replicas of a model and their engines print."""
    return logs() / f"{model}.log"
