"""How far the fleet and its tenants are with budgets and quotas, in the windows of now.

For people who look now and then: it reads what is settled, so what gateways only hold or lease counts as left.
Neighbours: :mod:`router.accounts.quota` and :mod:`router.accounts.budget` decide.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Row, text

from cluster.spec.tenants import Tenants
from router.accounts.facts import MICROS
from router.accounts.kinds import limits_of
from router.accounts.plans import effective
from router.accounts.store import Store

_USD = "usd_per_"
_MOST = 1000
"""Tenants that are looked at: those that asked for most this month."""
_QUERY = text("""
    WITH busy AS (
        SELECT tenant FROM usage_days WHERE day >= date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
        GROUP BY tenant ORDER BY sum(requests) DESC LIMIT :most
    ),
    used AS (
        SELECT tenant, kind, used AS amount, window_start, split_part(kind, '_per_', 2) AS unit FROM quota_windows
        UNION ALL
        SELECT tenant, 'usd_per_' || kind, spent_micros + reserved_micros, window_start, kind FROM budget_windows
    )
    SELECT used.tenant, t.plan, t.overrides, used.kind, used.amount
    FROM used LEFT JOIN tenants t ON t.name = used.tenant
    WHERE window_start = date_trunc(unit, now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
        AND (used.tenant = '' OR used.tenant IN (SELECT tenant FROM busy))
""")


class Standing(NamedTuple):
    """One limit, of one tenant or of the fleet."""

    tenant: str
    """Empty for the fleet."""
    what: str
    """The field of the plan, or of ``tenants.budget``."""
    limit: float
    used: float
    """In the limit's unit: messages, requests, tokens, dollars."""

    @property
    def share(self) -> float:
        """That is used."""
        return self.used / self.limit if self.limit else 1.0


async def standings(store: Store, spec: Tenants) -> list[Standing]:
    """Every limit that anything counts against now: the fleet's budgets first, then by what part of them is used.

    Raises:
        StoreUnavailableError: the database is away.

    """
    async with store.begin() as connection:
        rows = (await connection.execute(_QUERY, {"most": _MOST})).all()
    used = {row.kind: row.amount / MICROS for row in rows if not row.tenant}
    fleet = [Standing("", kind, limit, used.get(kind, 0)) for kind, limit in spec.budget.model_dump().items() if limit]
    found = [standing for row in rows if row.plan is not None for standing in _standing(row, spec)]
    return fleet + sorted(found, key=lambda one: (-one.share, one))


def _standing(row: Row[Any], spec: Tenants) -> Iterable[Standing]:
    plan = effective(spec, row.plan, row.overrides)
    limits = {kind.field: limit for kind, limit in limits_of(plan).counted}
    if row.kind in limits:
        yield Standing(row.tenant, row.kind, limits[row.kind], row.amount)
    elif row.kind.startswith(_USD) and (limit := getattr(plan, row.kind)):
        yield Standing(row.tenant, row.kind, limit, row.amount / MICROS)
