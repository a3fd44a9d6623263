"""The right to be forgotten: everything of one tenant goes, and what went is counted.

First, in one short transaction, the tenant itself and all that gateways work with: from its commit on nothing can be
written for this tenant, because every writer holds the tenant's row while it writes (``FOR KEY SHARE``). Then its
history, in pieces that hold up nobody. Interrupted, it is simply asked for again; until it is through, no tenant of the
same name can be made.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Delete, Table, delete, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.channels import TENANTS, notice
from router.accounts.issued import keeping_an_admin
from router.accounts.store import Store
from router.accounts.tables import (
    budget_windows,
    keys,
    ledger,
    quota_leases,
    quota_windows,
    responses,
    tenants,
    usage_days,
)
from router.accounts.tenants import no_tenant

PIECE = 10_000
"""Rows of history in one transaction."""
DEADLINE_S = 60.0
"""For one transaction."""

_AT_WORK = (keys, quota_leases, quota_windows, budget_windows, responses)
_HISTORY = (ledger, usage_days)

_FORFEIT = text("""
    WITH gone AS (DELETE FROM reservations WHERE tenant = :tenant RETURNING micros, day, month),
    held AS (
        SELECT 'day' AS kind, day AS window_start, sum(micros) AS micros FROM gone GROUP BY day
        UNION ALL SELECT 'month', month, sum(micros) FROM gone GROUP BY month
    ),
    fleet AS (
        UPDATE budget_windows b
        SET reserved_micros = b.reserved_micros - held.micros, spent_micros = b.spent_micros + held.micros
        FROM held WHERE b.tenant = '' AND b.kind = held.kind AND b.window_start = held.window_start
    )
    SELECT count(*) FROM gone
""")
"""Calls under way can no longer say what they cost; the fleet's own budget counts them at their worst."""


async def forget(store: Store, name: str, piece: int = PIECE) -> dict[str, int]:
    """Remove every row of a tenant, its history ``piece`` rows at a time; returns how many went, by table.

    Raises:
        Refusal: 404 where there is nothing of that name, 409 when it has the last admin key.

    """
    async with store.begin(DEADLINE_S) as connection:
        removed = await _leave_service(connection, name)
    for table in _HISTORY:
        removed[str(table.name)] = 0
        while gone := await _some(store, table, name, piece):
            removed[str(table.name)] += gone
    if not any(removed.values()):
        raise no_tenant(name)
    return removed


async def _leave_service(connection: AsyncConnection, name: str) -> dict[str, int]:
    removed: dict[str, int] = {}
    async with keeping_an_admin(connection):
        for first in (tenants.c.name == name, quota_windows.c.tenant == name):  # in everyone's order of locks
            await connection.execute(select(text("1")).where(first).with_for_update())
        for table in _AT_WORK:
            removed[str(table.name)] = await _count(connection, delete(table).where(table.c.tenant == name))
        removed["reservations"] = await connection.scalar(_FORFEIT, {"tenant": name}) or 0
        removed["tenants"] = await _count(connection, delete(tenants).where(tenants.c.name == name))
    await connection.execute(notice(TENANTS, name))
    return removed


async def _some(store: Store, table: Table, name: str, most: int) -> int:
    identity = tuple_(*table.primary_key.columns)
    found = select(*table.primary_key.columns).where(table.c.tenant == name).limit(most)
    async with store.begin(DEADLINE_S) as connection:
        return await _count(connection, delete(table).where(table.c.tenant == name, identity.in_(found)))


async def _count(connection: AsyncConnection, statement: Delete) -> int:
    result: Any = await connection.execute(statement)
    return int(result.rowcount)
