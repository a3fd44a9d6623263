"""An office with an admin and two tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from router.accounts.store import Store
from tests.router.accounts.conftest import database, server, store
from tests.router.accounts.reception import Reception
from tests.router.admin.office import Office

__all__ = ["database", "server", "store"]


@pytest.fixture
async def reception(store: Store) -> AsyncIterator[Reception]:
    """The accounts of another gateway on the database, with the tenants admin, acme and other."""
    async with Reception(store) as reception:
        for tenant in ("admin", "acme", "other"):
            await reception.tenant(tenant)
        yield reception


@pytest.fixture
async def office(database: str, reception: Reception, tmp_path: Path) -> AsyncIterator[Office]:
    """A gateway on the same database."""
    assert await reception.tenants.find("admin")
    async with Office(database, tmp_path) as office:
        yield office


@pytest.fixture
async def admin(reception: Reception) -> str:
    """An admin key."""
    return (await reception.key("admin", admin=True))[0]
