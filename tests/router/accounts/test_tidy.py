"""What is kept for a while goes when that is over, and nothing before."""

from __future__ import annotations

import pytest
from sqlalchemy import Interval, cast, func, insert, text, update

from router.accounts.store import Store
from router.accounts.tables import egress, labels, samples
from router.accounts.tidy import tidy
from tests.router.accounts.reception import Reception
from tests.router.accounts.rows import row_of

pytestmark = pytest.mark.anyio


async def test_old_rows_go(store: Store) -> None:
    """Rows of what left and labels after so many months, prompts when they expire; the others stay."""
    await Reception(store).tenant("acme")
    async with store.begin() as connection:
        for age in ("1 day", "30 months"):
            for table in (egress, labels):
                await connection.execute(insert(table).values({**row_of(table, "acme"), "id": age}))
                old = update(table).where(table.c.id == age).values(at=func.now() - cast(age, Interval))
                await connection.execute(old)
        for name, moment in (("old", "-1 day"), ("new", "1 day")):
            await connection.execute(insert(samples).values({**row_of(samples, "acme"), "request_id": name}))
            await connection.execute(
                text("UPDATE samples SET expires_at = now() + CAST(:moment AS interval) WHERE request_id = :name"),
                {"moment": moment, "name": name},
            )
    assert await tidy(store, 24) == {"egress": 1, "labels": 1, "samples": 1}
    assert await tidy(store, 24) == {"egress": 0, "labels": 0, "samples": 0}
    async with store.begin() as connection:
        assert await connection.scalar(text("SELECT request_id FROM samples")) == "new"
