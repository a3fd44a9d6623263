"""Keys: made, known, revoked everywhere, rotated; and what is known of them while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
from sqlalchemy import text

from router.accounts.facts import Principal
from router.accounts.issued import Wanted
from router.accounts.pepper import Pepper
from router.accounts.secret import make_key
from router.accounts.store import Store
from router.wire.errors import Refusal
from tests.router.accounts.reception import PEPPER, SPEC, Reception

pytestmark = pytest.mark.anyio


@pytest.fixture
async def reception(store: Store) -> AsyncIterator[Reception]:
    """A gateway with the tenant acme."""
    async with Reception(store) as reception:
        await reception.tenant("acme")
        yield reception


@pytest.fixture
async def other(database: str) -> AsyncIterator[Reception]:
    """Another gateway on the same database."""
    store = await Store.open(database, connections=2)
    async with Reception(store) as reception:
        yield reception
    await store.close()


async def test_a_key_is_known_after_one_look_up(reception: Reception) -> None:
    """The first request asks the database once, those after it not at all."""
    key, issued = await reception.key("acme")
    before = reception.store.statements
    first = await reception.admit(key)
    asked = reception.store.statements - before
    again = [await reception.admit(key) for _ in range(100)]
    assert isinstance(first, Principal)
    assert (first.tenant, first.key_id, first.plan) == ("acme", issued.id, SPEC.plans["explorer"])
    assert asked == 1
    assert all(one is again[0] for one in again)
    assert reception.store.statements - before == 1


async def test_many_at_once_ask_once(reception: Reception) -> None:
    """A hundred requests with a key that the gateway does not know yet make one look-up."""
    key, _ = await reception.key("acme")
    before = reception.store.statements
    found = await asyncio.gather(*(reception.admit(key) for _ in range(100)))
    assert all(isinstance(one, Principal) for one in found)
    assert reception.store.statements - before == 1


async def test_one_who_leaves_takes_nobody_along(reception: Reception) -> None:
    """The first of two waiting requests is cancelled; the other gets its answer."""
    key, _ = await reception.key("acme")
    first, second = asyncio.create_task(reception.admit(key)), asyncio.create_task(reception.admit(key))
    await asyncio.sleep(0)
    first.cancel()
    assert isinstance(await second, Principal)


async def test_the_database_has_no_key(reception: Reception) -> None:
    """Of a key, its digest and its id are stored; its secret is in no column."""
    key, _ = await reception.key("acme", label="mine")
    async with reception.store.begin() as connection:
        row = (await connection.execute(text("SELECT keys::text, digest FROM keys"))).one()
    assert key[16:] not in row[0]
    assert bytes(row[1]) == PEPPER.digest(key.encode())


async def test_wrong_keys_never_ask_the_database(reception: Reception) -> None:
    """Keys that we did not make are refused from memory, also when they look like ours."""
    stranger = Pepper(b"q" * 32)
    before = reception.store.statements
    wrong = [await reception.admit(make_key(stranger).text, client=f"10.0.0.{number}") for number in range(50)]
    assert set(wrong) == {"invalid_api_key"}
    assert reception.store.statements == before


async def test_a_key_of_ours_without_a_row_asks_once(reception: Reception) -> None:
    """A deleted tenant's client that goes on costs one look-up a minute."""
    key = make_key(PEPPER).text
    before = reception.store.statements
    assert {await reception.admit(key) for _ in range(20)} <= {"invalid_api_key", "too_many_wrong_keys"}
    assert reception.store.statements - before == 1


async def test_revoked_everywhere(reception: Reception, other: Reception) -> None:
    """A key that two gateways know is revoked at one; the other refuses it as soon as the notice is there."""
    key, issued = await reception.key("acme")
    assert isinstance(await reception.admit(key), Principal)
    assert isinstance(await other.admit(key), Principal)
    await reception.issued.revoke(issued.id)
    assert await other.until("key_revoked", key) == "key_revoked"
    assert await reception.until("key_revoked", key) == "key_revoked"
    assert (await reception.issued.revoke(issued.id)).state == "revoked"


async def test_a_notice_that_overtakes_a_look_up(reception: Reception) -> None:
    """A look-up that was answered before a revocation, and comes in after it, is not remembered."""
    key, issued = await reception.key("acme")
    start = reception.store.statements
    looking = asyncio.create_task(reception.admit(key))
    async with asyncio.timeout(10):
        while True:
            if reception.store.statements > start:
                break
            await asyncio.sleep(0)
    reception.keys._key_changed(issued.id)
    assert isinstance(await looking, Principal)
    assert reception.store.statements - start == 2, "asked again: the first answer may be older than the notice"


async def test_a_plan_changes_everywhere(reception: Reception, other: Reception) -> None:
    """What an admin changes for a tenant holds at every gateway without a restart."""
    key, _ = await reception.key("acme")
    assert isinstance(await other.admit(key), Principal)
    await reception.tenants.change("acme", "master", {"priority": 4}, [])
    found = await other.until(lambda one: one.plan.priority == 4, key)
    assert isinstance(found, Principal)
    assert found.plan.egress


async def test_rotated_at_once(reception: Reception) -> None:
    """Without an overlap the old secret is good for nothing, and the new one for the same."""
    old, issued = await reception.key("acme", label="app", models=("s",), networks=(ip_network("192.0.2.0/24"),))
    first = await reception.admit(old)
    new, replacement, before = await reception.issued.rotate(issued.id, 0)
    assert before.state == "revoked"
    assert await reception.until("key_revoked", old) == "key_revoked"
    second = await reception.admit(new.text)
    assert isinstance(first, Principal)
    assert isinstance(second, Principal)
    assert (second.tenant, second.scope) == (first.tenant, first.scope)
    assert (replacement.label, replacement.id) == ("app", new.id)


async def test_rotated_with_an_overlap(reception: Reception) -> None:
    """Both are good for the overlap; the old one has an end by the database's clock."""
    old, issued = await reception.key("acme")
    new, replacement, before = await reception.issued.rotate(issued.id, 3600)
    assert before.expires_at is not None
    assert timedelta(minutes=59) < before.expires_at - reception.store.now() <= timedelta(hours=1)
    assert replacement.expires_at is None
    assert isinstance(await reception.admit(old), Principal)
    assert isinstance(await reception.admit(new.text), Principal)


async def test_rotation_never_prolongs(reception: Reception) -> None:
    """A key that ends in a minute still ends then, however long the overlap, and so does its replacement."""
    _, issued = await reception.key("acme", expires_in_seconds=60)
    _, replacement, before = await reception.issued.rotate(issued.id, 3600)
    assert before.expires_at == issued.expires_at == replacement.expires_at


async def test_only_a_good_key_is_rotated(reception: Reception) -> None:
    """A revoked key cannot be brought back by rotating it."""
    _, issued = await reception.key("acme")
    await reception.issued.revoke(issued.id)
    with pytest.raises(Refusal) as caught:
        await reception.issued.rotate(issued.id, 60)
    assert (caught.value.status, caught.value.code) == (409, "key_not_active")


async def test_keys_expire_by_the_databases_clock(reception: Reception) -> None:
    """A key is good until its end and not after it."""
    key, issued = await reception.key("acme", expires_in_seconds=100)
    assert isinstance(await reception.admit(key), Principal)
    async with reception.store.begin() as connection:
        await connection.execute(text("UPDATE keys SET expires_at = now() - interval '1 second'"))
        await connection.execute(text("SELECT pg_notify('freehold_keys', :id)"), {"id": issued.id})
    assert await reception.until("key_expired", key) == "key_expired"
    assert (await reception.issued.find(issued.id)).state == "expired"


async def test_the_last_admin_key_stays(reception: Reception) -> None:
    """Of two admins that are revoked at once, one is left; rotating the last one is fine."""
    _, first = await reception.key("acme", admin=True)
    _, second = await reception.key("acme", admin=True)
    outcomes = await asyncio.gather(
        *(reception.issued.revoke(issued.id) for issued in (first, second)), return_exceptions=True
    )
    refused = [one for one in outcomes if isinstance(one, Refusal)]
    assert [one.code for one in refused] == ["last_admin_key"]
    left = next(one for one in await reception.issued.page(None, "", 10) if one.state == "active")
    _, replacement, _ = await reception.issued.rotate(left.id, 0)
    assert replacement.admin


async def test_a_key_needs_its_tenant(reception: Reception) -> None:
    """No key for a tenant that is not there."""
    with pytest.raises(Refusal) as caught:
        await reception.issued.create(Wanted("nobody"))
    assert (caught.value.status, caught.value.code) == (404, "tenant_not_found")


async def test_pages_of_keys(reception: Reception) -> None:
    """Every key is on one page, and a tenant's pages have its keys alone."""
    await reception.tenant("other")
    made = {(await reception.key(tenant))[1].id for tenant in ("acme", "acme", "other", "acme")}
    first = await reception.issued.page(None, "", 3)
    second = await reception.issued.page(None, first[-1].id, 3)
    assert {key.id for key in (*first, *second)} == made
    assert len(first) + len(second) == 4
    assert {key.tenant for key in await reception.issued.page("other", "", 10)} == {"other"}
