"""The database is away: known keys are good for a stated time, unknown ones not, and what was missed is caught up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from cluster.spec.tenants import Tenants
from router.accounts.facts import Principal
from router.accounts.store import Store
from tests.router.accounts.conftest import Server
from tests.router.accounts.outage import Outage
from tests.router.accounts.reception import SPEC, Reception

pytestmark = pytest.mark.anyio


@pytest.fixture
def outage(server: Server, database: str) -> Iterator[Outage]:
    """An outage of the test's own database."""
    with Outage(database, server.url("postgres")) as outage:
        yield outage


@pytest.fixture
async def reception(store: Store, request: pytest.FixtureRequest) -> AsyncIterator[Reception]:
    """A gateway with the tenant acme; its parameter is how long known keys are good."""
    spec = Tenants.model_validate({**SPEC.model_dump(), "known_keys_seconds": getattr(request, "param", 300)})
    async with Reception(store, spec) as reception:
        await reception.tenant("acme")
        yield reception


async def test_known_keys_go_on(reception: Reception, outage: Outage) -> None:
    """A key that this gateway has seen is taken as before; one that it has not cannot be checked."""
    known, _ = await reception.key("acme")
    unknown, _ = await reception.key("acme")
    assert isinstance(await reception.admit(known), Principal)
    outage.begin()
    assert await reception.until("accounts_unavailable", unknown) == "accounts_unavailable"
    assert isinstance(await reception.admit(known), Principal)
    assert await reception.admit("fh-nonsense") == "invalid_api_key"


@pytest.mark.parametrize("reception", [0], indirect=True, ids=["known_keys_seconds=0"])
async def test_and_then_they_are_refused(reception: Reception, outage: Outage) -> None:
    """Once the stated time is over, no key is taken; when the database is back, they are again."""
    known, _ = await reception.key("acme")
    assert isinstance(await reception.admit(known), Principal)
    outage.begin()
    assert await reception.until("accounts_unavailable", known) == "accounts_unavailable"
    outage.end()
    assert await reception.until(lambda one: one.tenant == "acme", known)


async def test_what_was_missed_is_caught_up(reception: Reception, outage: Outage) -> None:
    """A key that was revoked during the outage, unseen, is refused after it without anyone asking for it."""
    revoked, issued = await reception.key("acme")
    kept, _ = await reception.key("acme")
    for key in (revoked, kept):
        assert isinstance(await reception.admit(key), Principal)
    outage.begin()
    outage.connection.execute("UPDATE keys SET revoked_at = now() WHERE id = %s", [issued.id])
    outage.end()
    assert await reception.until("key_revoked", revoked) == "key_revoked"
    before = reception.store.statements
    assert isinstance(await reception.admit(kept), Principal)
    assert reception.store.statements == before, "known keys were read again together, not each by its request"


async def test_a_tenant_that_was_deleted_meanwhile(reception: Reception, outage: Outage) -> None:
    """Its keys are forgotten with it."""
    key, _ = await reception.key("acme")
    assert isinstance(await reception.admit(key), Principal)
    outage.begin()
    outage.connection.execute("DELETE FROM tenants WHERE name = 'acme'")
    outage.end()
    assert await reception.until("invalid_api_key", key) == "invalid_api_key"
