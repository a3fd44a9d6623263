"""The log of moves: what is in use follows from it, everywhere, and every promotion can be taken back once."""

from __future__ import annotations

import asyncio

import pytest

from router.accounts.channels import ROUTERS
from router.accounts.routers import Artefact, InUse, Routers
from router.accounts.store import Store
from router.wire.errors import Refusal

pytestmark = pytest.mark.anyio


def _artefact(version: str) -> Artefact:
    return Artefact({"version": version}, version.encode())


async def test_promoted_and_taken_back(store: Store) -> None:
    """As on a pile: the one before comes back with its share, at last none; what was only tried moves nothing."""
    routers = Routers(store)
    assert await routers.in_use() is None
    await routers.promote(_artefact("one"), None, {"says": "better"})
    await routers.promote(_artefact("two"), 0.3, {})
    await routers.promote(_artefact("two"), 0.35, {})
    await routers.keep({})
    assert await routers.in_use() == InUse("two", 0.35)
    assert [await routers.roll_back({}) for _ in range(3)] == [InUse("two", 0.3), InUse("one", None), None]
    with pytest.raises(Refusal) as caught:
        await routers.roll_back({})
    assert caught.value.status == 409
    assert await routers.in_use() is None
    assert await routers.fetch("two") == _artefact("two")
    moves = await routers.moves(100)
    assert [(move.action, move.version) for move in moves[::-1]] == [
        ("promoted", "one"),
        ("promoted", "two"),
        ("promoted", "two"),
        ("kept", "two"),
        ("rolled-back", "two"),
        ("rolled-back", "one"),
        ("rolled-back", ""),
    ]
    assert moves[-1].why == {"says": "better"}


async def test_gateways_hear_of_it(store: Store) -> None:
    """Whoever listens gets a notice for every move."""
    heard = asyncio.Event()
    await store.listen(ROUTERS, lambda _: heard.set())
    await Routers(store).promote(_artefact("one"), None, {})
    async with asyncio.timeout(10):
        await heard.wait()
    assert heard.is_set()


async def test_one_trains_a_night(store: Store) -> None:
    """Nobody else while one does, nobody after it, and again the next night."""
    routers = Routers(store)
    async with routers.alone("2026-11-21") as first:
        async with routers.alone("2026-11-21") as second:
            assert (first, second) == (True, False)
        await routers.keep({"night": "2026-11-21"})
    async with routers.alone("2026-11-21") as late:
        assert not late
    async with routers.alone("2026-11-22") as tomorrow:
        assert tomorrow
