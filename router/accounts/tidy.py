"""What is kept for a while only: rows of what left, labels, and sealed prompts go when their time is over."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, NoReturn

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from router.accounts.errors import StoreUnavailableError
from router.accounts.store import Store

EVERY_S = 3600.0
PIECE = 10_000
"""Rows in one transaction."""
_DEADLINE_S = 60.0

_OLD = {
    "egress": "SELECT id FROM egress WHERE at < now() - make_interval(months => :months) LIMIT :piece",
    "labels": "SELECT id FROM labels WHERE at < now() - make_interval(months => :months) LIMIT :piece",
}
_STATEMENTS = {
    **{table: text(f"DELETE FROM {table} WHERE id IN ({old})") for table, old in _OLD.items()},  # noqa: S608 - ours
    "samples": text("""
        DELETE FROM samples WHERE (tenant, request_id) IN (
            SELECT tenant, request_id FROM samples WHERE expires_at < now() AND CAST(:months AS integer) > 0
            LIMIT :piece
        )
    """),
}

_log = logging.getLogger(__name__)


async def keep_tidy(store: Store, months: int) -> NoReturn:
    """Tidy up until cancelled; ``months`` is ``tenants.ledger_months`` of the fleet file."""
    while True:
        try:
            await tidy(store, months)
        except (StoreUnavailableError, DBAPIError) as exc:
            _log.warning("what is too old waits for the next round: %s", exc)
        await asyncio.sleep(EVERY_S)


async def tidy(store: Store, months: int) -> dict[str, int]:
    """Remove what is too old, by the database's clock; how many rows, by table.

    Raises:
        StoreUnavailableError: the database is away.

    """
    removed = dict.fromkeys(_STATEMENTS, 0)
    for table, statement in _STATEMENTS.items():
        gone = PIECE
        while gone == PIECE:
            async with store.begin(_DEADLINE_S) as connection:
                result: Any = await connection.execute(statement, {"months": months, "piece": PIECE})
            gone = int(result.rowcount)
            removed[table] += gone
    return removed
