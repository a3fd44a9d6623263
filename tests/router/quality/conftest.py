"""A database, and somebody outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.router.accounts.conftest import database, server, store
from tests.router.engine import Engine
from tests.router.gateway import Trio
from tests.router.quality.examined import Place

__all__ = ["database", "server", "store"]


@pytest.fixture
async def outside() -> AsyncIterator[Engine]:
    """Whatever is outside of the site."""
    async with Engine() as engine:
        yield engine


@pytest.fixture
def place(engines: Trio, outside: Engine, database: str, tmp_path: Path) -> Place:
    """Engines, somebody outside, a database and a home."""
    return Place(engines, outside, database, tmp_path)
