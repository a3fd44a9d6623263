"""What left the site: a row for every body, durable before its first byte goes. Never any of its text.

Invariant: no row, no byte; while the database is away nothing leaves. Rows are kept as long as the ledger's, and go
with their tenant. Neighbours: :mod:`router.gateway` and :mod:`router.quality.asking` ask here before they send.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Select, cast, func, select, text
from sqlalchemy.exc import DBAPIError

from router.accounts.errors import StoreUnavailableError
from router.accounts.facts import Leaving
from router.accounts.limited import accounts_away, unknown_tenant
from router.accounts.period import ALWAYS, Period
from router.accounts.store import Store
from router.accounts.tables import egress

_DEADLINE_S = 60.0
_RECORD = text("""
    INSERT INTO egress (id, request_id, tenant, model, host, reason, bytes)
    SELECT :id, :request_id, :tenant, :model, :host, :reason, :bytes FROM tenants WHERE name = :tenant FOR KEY SHARE
    RETURNING id
""")


class Left(NamedTuple):
    """What left on one day, for one tenant, to one model, for one reason."""

    day: str
    tenant: str
    model: str
    host: str
    reason: str
    requests: int
    bytes: int


class Trail:
    """Writes the rows."""

    def __init__(self, store: Store) -> None:
        """Into ``store``."""
        self._store = store

    async def record(self, leaving: Leaving) -> None:
        """Have it on record; only then may it go.

        Raises:
            Refusal: 503 when the database is away or refuses it, 401 for a deleted tenant.

        """
        values = {"id": f"eg_{secrets.token_hex(12)}", **asdict(leaving)}
        try:
            async with self._store.autocommit() as connection:
                known = (await connection.execute(_RECORD, values)).first()
        except (StoreUnavailableError, DBAPIError) as exc:
            raise accounts_away() from exc
        if known is None:
            raise unknown_tenant()


async def left(store: Store, tenant: str | None = None, period: Period = ALWAYS) -> list[Left]:
    """What left, by day, tenant, model and reason; of all tenants where ``tenant`` is None.

    Raises:
        StoreUnavailableError: the database is away.

    """
    async with store.begin(_DEADLINE_S) as connection:
        rows = await connection.execute(_query(tenant, period))
        return [Left(row[0].date().isoformat(), *row[1:]) for row in rows]


def _query(tenant: str | None, period: Period) -> Select[Any]:
    by = (
        func.date_trunc("day", egress.c.at.op("AT TIME ZONE")("UTC")),
        *(egress.c[name] for name in Left._fields[1:5]),
    )
    query = select(*by, func.count(), cast(func.sum(egress.c.bytes), BigInteger))
    if tenant is not None:
        query = query.where(egress.c.tenant == tenant)
    return period.of(query, egress.c.at).group_by(*by).order_by(*by)
