"""What was used, from the daily totals; the ledger itself is not read, so that the answer is quick over any period."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Select, cast, func, select

from router.accounts.period import ALWAYS, Period
from router.accounts.store import Store
from router.accounts.tables import usage_days

HEADINGS = ("day", "month", "tenant", "model", "tier", "reason", "outcome")
"""What usage can be ordered by."""
_DEADLINE_S = 60.0
_MONTH = len("2026-11")


class Usage(NamedTuple):
    """What was used under one heading."""

    heading: str
    """A day (``2026-11-21``), a month (``2026-11``), or a name."""
    requests: int
    """Attempts, in fact: one that was retried counts as two."""
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    gpu_ms: int
    cost_micros: int
    """What paid targets charged, in millionths of a US dollar."""
    baseline_micros: int
    """What all of it would have cost on Claude."""


def total(rows: Iterable[Usage], heading: str = "total") -> Usage:
    """The sum of several."""
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    return Usage(heading, *(sums or [0] * (len(Usage._fields) - 1)))


async def usage(store: Store, by: str, tenant: str | None = None, period: Period = ALWAYS) -> list[Usage]:
    """Usage under each heading, in their order; of all tenants where ``tenant`` is None.

    Raises:
        StoreUnavailableError: the database is away.

    """
    column = "day" if by == "month" else by
    async with store.begin(_DEADLINE_S) as connection:
        found = [Usage(_heading(row[0]), *row[1:]) for row in await connection.execute(_query(column, tenant, period))]
    return _months(found) if by == "month" else found


def _query(column: str, tenant: str | None, period: Period) -> Select[Any]:
    heading = usage_days.c[column]
    query = select(heading, *(cast(func.sum(usage_days.c[name]), BigInteger) for name in Usage._fields[1:]))
    if tenant is not None:
        query = query.where(usage_days.c.tenant == tenant)
    return period.of(query, usage_days.c.day).group_by(heading).order_by(heading)


def _heading(value: str | datetime) -> str:
    return value if isinstance(value, str) else value.astimezone(UTC).date().isoformat()


def _months(days: list[Usage]) -> list[Usage]:
    months: defaultdict[str, list[Usage]] = defaultdict(list)
    for day in days:
        months[day.heading[:_MONTH]].append(day)
    return [total(rows, month) for month, rows in months.items()]
