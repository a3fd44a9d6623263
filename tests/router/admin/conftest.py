"""An office with an admin and two tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router.accounts.store import Store
from tests.router.accounts.conftest import database, server, store
from tests.router.accounts.desk import Desk
from tests.router.admin.office import Office

__all__ = ["database", "server", "store"]


@pytest.fixture
async def desk(store: Store) -> AsyncIterator[Desk]:
    """A gateway's accounts with the tenants admin, acme and other."""
    async with Desk(store) as desk:
        for tenant in ("admin", "acme", "other"):
            await desk.tenants.create(tenant, None, {})
        yield desk


@pytest.fixture
async def office(desk: Desk) -> AsyncIterator[Office]:
    """The same behind HTTP."""
    async with Office(desk) as office:
        yield office


@pytest.fixture
async def admin(desk: Desk) -> str:
    """An admin key."""
    return (await desk.key("admin", admin=True))[0]
