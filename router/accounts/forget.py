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
    egress,
    keys,
    labels,
    ledger,
    quota_leases,
    quota_windows,
    responses,
    samples,
    tenants,
    usage_days,
)
from router.accounts.tenants import no_tenant

PIECE = 10_000
"""Rows of history in one transaction."""
DEADLINE_S = 60.0
"""For one transaction."""

_AT_WORK = (keys, responses, samples, quota_leases, quota_windows)
_HISTORY = (ledger, usage_days, egress, labels)

_LOCK_TENANT = text("SELECT name FROM tenants WHERE name = :tenant FOR UPDATE")
_LOCK_WINDOWS = text("SELECT kind FROM quota_windows WHERE tenant = :tenant ORDER BY kind, window_start FOR UPDATE")
"""Rows are locked in the order that all writers keep: tenants, quota windows, leases, reservations, budgets."""
_FORFEIT = text("""
    WITH doomed AS (
        SELECT request_id, attempt FROM reservations WHERE tenant = :tenant ORDER BY request_id, attempt FOR UPDATE
    ),
    gone AS (
        DELETE FROM reservations r USING doomed d
        WHERE r.request_id = d.request_id AND r.attempt = d.attempt RETURNING r.micros, r.day, r.month
    ),
    held AS (
        SELECT 'day' AS kind, day AS window_start, sum(micros) AS micros FROM gone GROUP BY day
        UNION ALL SELECT 'month', month, sum(micros) FROM gone GROUP BY month
    ),
    windows AS (
        SELECT b.kind, b.window_start, held.micros FROM budget_windows b JOIN held USING (kind, window_start)
        WHERE b.tenant = '' ORDER BY b.kind, b.window_start FOR UPDATE OF b
    ),
    fleet AS (
        UPDATE budget_windows b
        SET reserved_micros = b.reserved_micros - w.micros, spent_micros = b.spent_micros + w.micros
        FROM windows w WHERE b.tenant = '' AND b.kind = w.kind AND b.window_start = w.window_start
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
        await connection.execute(_LOCK_TENANT, {"tenant": name})
        await connection.execute(_LOCK_WINDOWS, {"tenant": name})
        for table in _AT_WORK:
            removed[str(table.name)] = await _rows(connection, table, name)
        removed["reservations"] = await connection.scalar(_FORFEIT, {"tenant": name}) or 0
        removed["budget_windows"] = await _rows(connection, budget_windows, name)
        removed["tenants"] = await _count(connection, delete(tenants).where(tenants.c.name == name))
    await connection.execute(notice(TENANTS, name))
    return removed


async def _some(store: Store, table: Table, name: str, most: int) -> int:
    identity = tuple_(*table.primary_key.columns)
    found = select(*table.primary_key.columns).where(table.c.tenant == name).limit(most)
    async with store.begin(DEADLINE_S) as connection:
        return await _count(connection, delete(table).where(table.c.tenant == name, identity.in_(found)))


async def _rows(connection: AsyncConnection, table: Table, name: str) -> int:
    return await _count(connection, delete(table).where(table.c.tenant == name))


async def _count(connection: AsyncConnection, statement: Delete) -> int:
    result: Any = await connection.execute(statement)
    return int(result.rowcount)
