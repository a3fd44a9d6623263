"""An office with an admin and two tenants."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router.accounts.store import Store
from tests.router.accounts.conftest import database, server, store
from tests.router.accounts.reception import Reception
from tests.router.admin.office import Office

__all__ = ["database", "server", "store"]


@pytest.fixture
async def reception(store: Store) -> AsyncIterator[Reception]:
    """A gateway's accounts with the tenants admin, acme and other."""
    async with Reception(store) as reception:
        for tenant in ("admin", "acme", "other"):
            await reception.tenants.create(tenant, None, {})
        yield reception


@pytest.fixture
async def office(reception: Reception) -> AsyncIterator[Office]:
    """The same behind HTTP."""
    async with Office(reception) as office:
        yield office


@pytest.fixture
async def admin(reception: Reception) -> str:
    """An admin key."""
    return (await reception.key("admin", admin=True))[0]
