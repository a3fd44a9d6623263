"""Ledger rows for tests, and what the database says of them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, cast, except_, func, select, text

from router.accounts.facts import Attempt
from router.accounts.group import Entry
from router.accounts.ledger import Ledger
from router.accounts.store import Store
from router.accounts.tables import ledger as ledger_table
from router.accounts.tables import usage_days

TOTALS = [column.name for column in usage_days.columns if not column.primary_key]
KEY = [column.name for column in usage_days.primary_key]


def attempt(at: datetime, **changes: Any) -> Attempt:  # noqa: ANN401 - any field of an attempt
    """An attempt of tenant ``acme``."""
    usual = Attempt(
        request_id=f"req_{secrets.token_hex(12)}",
        attempt=1,
        at=at,
        tenant="acme",
        key_id="abcdefghijkl",
        endpoint="chat",
        model="tiny-small",
        tier="small",
        reason="short",
        status=200,
        outcome="complete",
        stream=True,
        prompt_tokens=100,
        completion_tokens=50,
        cached_tokens=10,
        gpu_ms=120,
        cost_micros=0,
        baseline_micros=340,
        queued_ms=1,
        ttft_ms=20,
        total_ms=400,
    )
    return usual._replace(**changes)


def entries(at: datetime, count: int, **changes: Any) -> list[Entry]:  # noqa: ANN401
    """So many entries of one attempt each."""
    return [Entry(attempt(at, **changes)) for _ in range(count)]


async def add_tenants(store: Store, *names: str) -> None:
    """Tenants that rows may belong to."""
    async with store.begin() as connection:
        await connection.execute(
            text("INSERT INTO tenants (name, plan) SELECT unnest(CAST(:names AS text[])), 'unlimited'"),
            {"names": list(names)},
        )


async def read(store: Store, query: str, **values: Any) -> list[Any]:  # noqa: ANN401
    """The rows of a query."""
    async with store.begin() as connection:
        return list((await connection.execute(text(query), values)).all())


async def request_ids(store: Store) -> list[str]:
    """Of every row in the ledger."""
    return [row.request_id for row in await read(store, "SELECT request_id FROM ledger ORDER BY request_id")]


async def totals_differ(store: Store) -> list[Any]:
    """Days, tenants and so on for which the daily totals are not the sums of the ledger's rows."""
    day = func.date_trunc("day", ledger_table.c.at, "UTC")
    key = [day if name == "day" else ledger_table.c[name] for name in KEY]
    sums = [cast(func.sum(ledger_table.c[name]), BigInteger) for name in TOTALS[1:]]
    counted = select(*key, func.count(), *sums).group_by(*key)
    kept = select(*(usage_days.c[name] for name in (*KEY, *TOTALS)))
    async with store.begin() as connection:
        return [
            row
            for one, other in ((counted, kept), (kept, counted))
            for row in (await connection.execute(except_(one, other))).all()
        ]


def names(directory: Path) -> list[str]:
    """Of the files in a directory."""
    return sorted(path.name for path in directory.iterdir())


async def until(condition: Callable[[], bool]) -> None:
    """Return when something that happens in the background has happened; fail after half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is looked at is the file system or another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(store: Store, spool: Path, gateway: str = "gateway1") -> AsyncIterator[Ledger]:
    """A ledger that runs within the block, and has kept everything when it is left."""
    ledger = Ledger(store, gateway, spool)
    run = asyncio.create_task(ledger.run())
    try:
        yield ledger
    finally:
        await ledger.close()
        await run
