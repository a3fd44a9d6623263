"""The database is gone under load, for real gateways: who is served, who is refused, what is in the books later."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.router.accounts.breakable import Breakable
from tests.router.accounts.town import keyed, town
from tests.router.engine import until
from tests.router.gateway import Trio

pytestmark = pytest.mark.anyio

KNOWN_S = 3
"""Stands for the five minutes of ``known_keys_seconds``."""


@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_from_loss_to_recovery(engines: Trio, tmp_path: Path, how: str) -> None:
    """Known keys go on and then are refused, money is shut at once, and afterwards every answer has its row, once."""
    fleet = keyed(engines, known_keys_seconds=KNOWN_S)
    async with Breakable() as database, town(tmp_path, fleet, database.url) as place:
        free, limited = await place.key("unlimited"), await place.key("plenty")
        paying, unseen = await place.key("paying"), await place.key("unlimited", "unseen")
        for gateway in (0, 1):
            assert (await place.ask(paying, gateway, model="l")).status == 200
        paid = len(engines.large.seen)
        async with place.traffic(free, limited):
            await place.answered(100)
            if how == "kill":
                await database.kill()
            else:
                database.freeze()
            refused = await place.ask(paying, model="l")
            assert (refused.status, refused.error["code"]) == (503, "accounts_unavailable")
            assert (await place.ask(unseen)).error["code"] == "accounts_unavailable"
            await place.answered(50)

            async def refuses() -> bool:
                return (await place.ask(free)).status == 503

            await until(refuses)
            assert "The key cannot be checked" in (await place.ask(free)).error["message"]
            await place.refused("accounts_unavailable", 200)
            if how == "kill":
                await database.start()
            else:
                database.thaw()
            await place.answered(200)
        await place.replayed()
        assert set(place.others) == {"accounts_unavailable"}
        assert len(engines.large.seen) == paid
        assert (await place.ask(unseen)).status == (await place.ask(paying, model="l")).status == 200
        assert (place.missing(), place.doubled(), place.miscounted()) == (set(), [], [])

        async def free_again() -> bool:
            return place.rows("SELECT sum(reserved_micros)::int FROM budget_windows") == [(0,)]

        await until(free_again)
