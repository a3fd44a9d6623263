"""A disk is full, the database's or the gateways' own: errors that say so, nothing lost, and recovery by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.router.accounts.breakable import Breakable
from tests.router.accounts.disk import disk, may_mount
from tests.router.accounts.town import Town, keyed, town
from tests.router.engine import until
from tests.router.gateway import Trio

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not may_mount(), reason="needs root, who may mount a tmpfs")]


async def _serves(place: Town, key: str) -> None:
    """Wait until every gateway answers again."""
    for number in range(len(place.gateways)):

        async def answers(number: int = number) -> bool:
            return (await place.ask(key, number)).status == 200

        await until(answers)


async def test_no_room_for_the_spool(engines: Trio, tmp_path: Path) -> None:
    """Without database and room no answer ends as if it were whole; with room again they do, and all rows arrive."""
    with disk(tmp_path / "home", 1) as full:
        async with Breakable() as database, town(tmp_path, keyed(engines), database.url) as place:
            key = await place.key("unlimited")
            async with place.traffic(key):
                await place.answered(50)
                await database.stop()
                await place.answered(50)
                full.fill()
                await place.refused("accounts_unavailable", 50)
                refusal = await place.ask(key)
                assert "Neither the database nor the disk" in refusal.error["message"]
                assert int(refusal.header("retry-after")) > 0
                full.empty()
                await _serves(place, key)
                await database.start()
                await place.answered(50)
            await place.replayed()
            assert (place.missing(), place.doubled(), place.miscounted()) == (set(), [], [])
            assert set(place.others) <= {"accounts_unavailable", "cut"}
            logs = [b"No space left on device" in gateway.log for gateway in place.gateways]
            assert logs == [True, True], "the log names the cause"


async def test_no_room_for_the_database(engines: Trio, tmp_path: Path) -> None:
    """Answers go on, with their rows on the gateways' disk; once there is room the database has them all."""
    with disk(tmp_path / "data", 192) as full:
        async with (
            Breakable(tmp_path / "data" / "postgres") as database,
            town(tmp_path, keyed(engines), database.url) as place,
        ):
            key = await place.key("unlimited")
            async with place.traffic(key):
                await place.answered(50)
                full.fill()

                async def spooled() -> bool:
                    full.fill()
                    return bool(list(place.spool.glob("*.log")))

                await until(spooled)
                await place.answered(100)
                full.empty()
                if database.postgres.process() is None:  # it found no room for its log, and its supervisor starts it
                    await database.start()
                await place.answered(100)
            await place.replayed()
            assert (place.missing(), place.doubled(), place.miscounted()) == (set(), [], [])
            assert not place.others
