"""The same made-up GPUs."""

from __future__ import annotations

from tests.cluster.gpus.conftest import gpus, library

__all__ = ["gpus", "library"]
