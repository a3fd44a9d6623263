"""A key that one gateway revokes is worth nothing at the others, also in the middle of traffic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.router.accounts.town import keyed, town
from tests.router.engine import until
from tests.router.gateway import Trio

pytestmark = pytest.mark.anyio


async def test_revoked_everywhere(engines: Trio, database: str, tmp_path: Path) -> None:
    """Four gateways take it; one revokes it; all four refuse it, by its cause, and another key goes on everywhere."""
    async with town(tmp_path, keyed(engines), database, gateways=4) as place:
        doomed, kept = await place.key("plenty"), await place.key("unlimited")
        async with place.traffic(doomed, kept, lanes=4):
            await place.answered(100)
            await place.admin(f"/admin/keys/{doomed[3:15]}", method="DELETE")
            for number in range(4):

                async def refuses(number: int = number) -> bool:
                    return (await place.ask(doomed, number)).status == 401

                await until(refuses)
            served = place.rows("SELECT count(*) FROM ledger WHERE tenant = 'plenty'")
            await place.refused("key_revoked", 100)
        assert place.rows("SELECT count(*) FROM ledger WHERE tenant = 'plenty'") == served
        assert [(await place.ask(kept, number)).status for number in range(4)] == [200] * 4
        assert set(place.others) == {"key_revoked"}
        assert (place.missing(), place.doubled(), place.miscounted()) == (set(), [], [])
