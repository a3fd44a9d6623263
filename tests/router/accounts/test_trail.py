"""What left the site is on record, and nothing goes without a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from router.accounts.facts import Leaving
from router.accounts.period import Period
from router.accounts.store import Store
from router.accounts.trail import Left, Trail, left
from router.wire.errors import Refusal
from tests.router.accounts.conftest import Server
from tests.router.accounts.outage import Outage
from tests.router.accounts.reception import Reception

pytestmark = pytest.mark.anyio

LEAVING = Leaving("req_1", "acme", "claude", "api.example", "spill-down", 100)


async def test_rows_add_up(store: Store) -> None:
    """By day, tenant, model and reason; of all, of one tenant, and of some days."""
    trail, reception = Trail(store), Reception(store)
    for tenant in ("acme", "other"):
        await reception.tenant(tenant)
    for leaving in (LEAVING, replace(LEAVING, bytes=20), replace(LEAVING, tenant="other", reason="named")):
        await trail.record(leaving)
    today = store.now().date()
    mine = Left(today.isoformat(), "acme", "claude", "api.example", "spill-down", 2, 120)
    assert await left(store, "acme") == [mine]
    assert [row.bytes for row in await left(store, None, Period(today, today + timedelta(days=1)))] == [120, 100]
    assert await left(store, None, Period(today + timedelta(days=1))) == []


async def test_nothing_leaves_for_a_tenant_that_is_gone(store: Store) -> None:
    """A deleted tenant's row could not be kept, so its body stays."""
    with pytest.raises(Refusal) as caught:
        await Trail(store).record(LEAVING)
    assert caught.value.status == 401


async def test_nothing_leaves_without_the_database(store: Store, server: Server, database: str) -> None:
    """503 where nothing can be put on record; once the database is back, it can."""
    await Reception(store).tenant("acme")
    with Outage(database, server.url("postgres")) as outage:
        outage.begin()
        with pytest.raises(Refusal) as caught:
            await Trail(store).record(LEAVING)
    assert caught.value.status == 503
