"""A machine with GPUs that are made up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.gpus.fake import Script, built, scripted


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the fake library."""
    return built(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def gpus(library: Path, tmp_path: Path) -> Iterator[Script]:
    """What this process sees: one healthy GPU, until the script says more."""
    with scripted(library, tmp_path / "script") as script:
        yield script
