"""The first start: one admin key, however many gateways start, and a word about the wrong pepper."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from cluster.errors import StartError
from cluster.spec.tenants import Plan, Tenants
from router.accounts.facts import Principal
from router.accounts.first import first_admin_key
from router.accounts.pepper import Pepper
from router.accounts.store import Store
from tests.router.accounts.reception import PEPPER, SPEC, Reception

pytestmark = pytest.mark.anyio


def _files(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


async def test_it_is_made_once(store: Store, tmp_path: Path) -> None:
    """Four gateways race: one file, one key, readable by its owner alone, good for the admin API."""
    made = await asyncio.gather(*(first_admin_key(store, PEPPER, SPEC, tmp_path) for _ in range(4)))
    assert [file for file in made if file] == [tmp_path / "admin.key"]
    assert _files(tmp_path) == ["admin.key"]
    assert stat.S_IMODE((tmp_path / "admin.key").stat().st_mode) == 0o600
    found = await Reception(store).admit((tmp_path / "admin.key").read_text().strip())
    assert isinstance(found, Principal)
    assert (found.tenant, found.scope.admin) == ("admin", True)


async def test_it_is_good_for_the_whole_fleet(store: Store, tmp_path: Path) -> None:
    """However little the default plan gives, whoever runs the fleet may use all of it; money is another matter."""
    little = Plan(messages_per_month=1, concurrent_requests=1, tiers=("small",), usd_per_day=2)
    spec = Tenants(access="keys", plans={"little": little}, default_plan="little")
    await first_admin_key(store, PEPPER, spec, tmp_path)
    found = await Reception(store, spec).admit((tmp_path / "admin.key").read_text().strip())
    assert isinstance(found, Principal)
    assert found.plan == Plan(usd_per_day=2)


async def test_not_again(store: Store, tmp_path: Path) -> None:
    """With an admin key in the database, nothing is made and no file is touched."""
    await first_admin_key(store, PEPPER, SPEC, tmp_path)
    (tmp_path / "admin.key").unlink()
    assert await first_admin_key(store, PEPPER, SPEC, tmp_path) is None
    assert not _files(tmp_path)


async def test_again_when_none_is_usable(store: Store, tmp_path: Path) -> None:
    """An admin key that expired locks nobody out: the next start makes another."""
    await first_admin_key(store, PEPPER, SPEC, tmp_path)
    before = (tmp_path / "admin.key").read_text()
    async with store.begin() as connection:
        await connection.execute(text("UPDATE keys SET expires_at = now() - interval '1 day'"))
    assert await first_admin_key(store, PEPPER, SPEC, tmp_path) == tmp_path / "admin.key"
    assert (tmp_path / "admin.key").read_text() != before


async def test_another_pepper_is_noticed(store: Store, tmp_path: Path) -> None:
    """A gateway that could take no key says so at its start and makes no key of its own."""
    await first_admin_key(store, PEPPER, SPEC, tmp_path)
    with pytest.raises(StartError, match="FREEHOLD_PEPPER"):
        await first_admin_key(store, Pepper(b"q" * 32), SPEC, tmp_path)
