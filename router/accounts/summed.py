"""The ledger's days summed up for reports: the load of each hour, and how each promise was held on each day.

A report reads these sums, never the rows of a month. They are made in the background, day by day, from the last day
that has any: the latest two days are summed again and again, because rows still come; what the spool brings later than
that is in the ledger and in ``usage_days``, not here. Neighbour: :mod:`router.accounts.month` reads them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple, NoReturn

from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.spec import SHORTCUT, Slo
from router.accounts.errors import StoreUnavailableError
from router.accounts.store import Store
from router.accounts.tables import promise_days

FIRST_S = 30.0
"""After its start a gateway has better things to do."""
EVERY_S = 3600.0
_LOCK = 7_246_003
"""The advisory lock's key: one gateway at a time."""
_DEADLINE_S = 120.0
_P95 = 0.95

_log = logging.getLogger(__name__)

_LOCKED = text("SELECT pg_try_advisory_xact_lock(:key)")
_FROM = text("""
    SELECT date_trunc('day', coalesce(
        (SELECT max(hour) FROM traffic_hours WHERE hour <= now()), (SELECT min(at) FROM ledger)
    ), 'UTC')
""")
_FORGET = (
    text("DELETE FROM traffic_hours WHERE hour >= :day AND hour < :next"),
    text("DELETE FROM promise_days WHERE day = :day"),
)
_HOURS = text("""
    INSERT INTO traffic_hours
    SELECT date_trunc('hour', at, 'UTC'), tier, count(*),
        sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens),
        sum(ln(greatest(prompt_tokens, 1))), sum(ln(greatest(prompt_tokens, 1)) ^ 2),
        sum(ln(greatest(completion_tokens, 1))), sum(ln(greatest(completion_tokens, 1)) ^ 2)
    FROM ledger
    WHERE at >= :day AND at < :next AND prompt_tokens > 0 AND reason <> 'cached'
    GROUP BY 1, 2
""")
_PROMISES = text("""
    WITH answers AS (
        SELECT model, outcome = 'complete' AS whole, total_ms / 1000.0 AS e2e,
            CASE WHEN stream THEN ttft_ms / 1000.0 END AS ttft,
            CASE WHEN stream AND completion_tokens > 1
                THEN (total_ms - ttft_ms) / 1000.0 / (completion_tokens - 1) END AS tpot
        FROM ledger
        WHERE at >= :day AND at < :next AND outcome IN ('complete', 'failed', 'cut')
            AND endpoint <> 'embedding' AND reason <> 'cached' AND tier <> :shortcut
    )
    SELECT model, count(*) AS asked, count(*) FILTER (WHERE whole) AS whole,
        count(*) FILTER (WHERE whole AND ttft IS NOT NULL) AS ttft_asked,
        count(*) FILTER (WHERE whole AND ttft <= :ttft) AS ttft_held,
        count(*) FILTER (WHERE whole AND tpot IS NOT NULL) AS tpot_asked,
        count(*) FILTER (WHERE whole AND tpot <= :tpot) AS tpot_held,
        count(*) FILTER (WHERE whole AND e2e <= :e2e) AS e2e_held,
        count(*) FILTER (WHERE whole AND e2e <= :e2e
            AND coalesce(ttft <= :ttft, TRUE) AND coalesce(tpot <= :tpot, TRUE)) AS all_held
    FROM answers GROUP BY model
""")


class Kept(NamedTuple):
    """How one promise was held by the answers of one model on one day."""

    model: str
    promise: str
    bound_s: float | None
    wanted: float
    asked: int
    held: int


async def keep_summed(store: Store, slo: Slo) -> NoReturn:
    """Sum up until cancelled; ``slo`` is what is promised now, and what the days that are summed now are judged by."""
    await asyncio.sleep(FIRST_S)
    while True:
        try:
            await sum_up(store, slo)
        except (StoreUnavailableError, DBAPIError) as exc:
            _log.warning("the days' sums wait for the next round: %s", exc)
        await asyncio.sleep(EVERY_S)


async def sum_up(store: Store, slo: Slo, since: date | None = None) -> int:
    """Sum up every day from ``since`` on, by default from the last but one that has sums; how many days.

    Raises:
        StoreUnavailableError: the database is away.

    """
    today = store.now().date()
    if since is None:
        async with store.begin() as connection:
            found: datetime | None = await connection.scalar(_FROM)
        since = today if found is None else found.astimezone(UTC).date() - timedelta(days=1)
    days = [since + timedelta(days=number) for number in range((today - since).days + 1)]
    for day in days:
        async with store.begin(_DEADLINE_S) as connection:
            if not await connection.scalar(_LOCKED, {"key": _LOCK}):
                return 0
            await _sum_day(connection, day, slo)
    return len(days)


async def _sum_day(connection: AsyncConnection, day: date, slo: Slo) -> None:
    begin = datetime.combine(day, time(), UTC)
    span = {"day": begin, "next": begin + timedelta(days=1)}
    for statement in _FORGET:
        await connection.execute(statement, span)
    await connection.execute(_HOURS, span)
    bounds = {"ttft": slo.ttft_p95_s, "tpot": slo.tpot_p95_s, "e2e": slo.e2e_p95_s}
    unbound = {name: bound or float("inf") for name, bound in bounds.items()}
    rows = (await connection.execute(_PROMISES, {**span, **unbound, "shortcut": SHORTCUT})).all()
    kept = [one for row in rows for one in _kept(row, slo)]
    if kept:
        await connection.execute(insert(promise_days), [{"day": begin, **one._asdict()} for one in kept])


def _kept(row: Any, slo: Slo) -> Iterator[Kept]:  # noqa: ANN401 - SQLAlchemy's row
    """What is promised, held by a model on a day; a figure that nobody could be judged by is left out."""
    latencies = (
        ("ttft_p95_s", slo.ttft_p95_s, row.ttft_asked, row.ttft_held),
        ("tpot_p95_s", slo.tpot_p95_s, row.tpot_asked, row.tpot_held),
        ("e2e_p95_s", slo.e2e_p95_s, row.whole, row.e2e_held),
    )
    for name, bound, asked, held in latencies:
        if bound is not None and asked:
            yield Kept(row.model, name, bound, _P95, asked, held)
    if slo.error_rate < 1:
        yield Kept(row.model, "error_rate", None, 1 - slo.error_rate, row.asked, row.whole)
    if slo.goodput is not None and row.whole:
        yield Kept(row.model, "goodput", None, slo.goodput, row.whole, row.all_held)
