"""The story, lived through once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.gpus.conftest import library
from tests.monitoring.prometheus import program
from tests.monitoring.story import Story, told
from tests.router.accounts.conftest import Server, server

__all__ = ["library", "server"]


@pytest.fixture(scope="session")
def story(server: Server, library: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """What Prometheus saw of it."""
    program("prometheus")
    folder = tmp_path_factory.mktemp("monitoring")
    return told(folder, server.create(), server.url("postgres"), library)
