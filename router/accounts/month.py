"""The facts of one month, as ``GET /admin/report`` tells them: sums alone, no row of the ledger is read.

Money is in whole millionths of a US dollar and is added up by the database in whole numbers, so that whoever adds up
the ledger gets the same. What is made of these facts is :mod:`cluster.report`'s affair. Neighbours:
:mod:`router.accounts.summed` (hours and promises), :mod:`router.accounts.spans` (replicas).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from router.accounts.store import Store

_DEADLINE_S = 60.0

Row = dict[str, Any]

FACTS: Final = {
    "usage": """
        SELECT to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, model, tier, reason, outcome,
            sum(requests)::bigint AS requests, sum(prompt_tokens)::bigint AS prompt_tokens,
            sum(completion_tokens)::bigint AS completion_tokens, sum(gpu_ms)::bigint AS gpu_ms,
            sum(cost_micros)::bigint AS cost_micros, sum(baseline_micros)::bigint AS baseline_micros
        FROM usage_days WHERE day >= :since AND day < :until GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    """,
    "tenants": """
        SELECT tenant, model, reason, outcome,
            sum(requests)::bigint AS requests, sum(prompt_tokens + completion_tokens)::bigint AS tokens,
            sum(cost_micros)::bigint AS cost_micros, sum(baseline_micros)::bigint AS baseline_micros
        FROM usage_days WHERE day >= :since AND day < :until GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """,
    "egress": """
        SELECT model, host, reason, count(DISTINCT request_id) AS requests, count(*) AS bodies,
            sum(bytes)::bigint AS bytes
        FROM egress WHERE at >= :since AND at < :until GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """,
    "left": "SELECT count(DISTINCT request_id) AS requests FROM egress WHERE at >= :since AND at < :until",
    "promises": """
        SELECT to_char(day AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, promise, bound_s, wanted,
            sum(asked)::bigint AS asked, sum(held)::bigint AS held
        FROM promise_days WHERE day >= :since AND day < :until GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
    """,
    "traffic": """
        SELECT extract(epoch FROM hour)::bigint AS begins, tier, requests, prompt_tokens, completion_tokens,
            cached_tokens, prompt_ln, prompt_ln2, completion_ln, completion_ln2
        FROM traffic_hours WHERE hour >= :since AND hour < :until ORDER BY 1, 2
    """,
    "replicas": """
        SELECT model, gpu, gpus, max(most) AS most, sum(ms)::bigint AS ms,
            sum(ms * replicas)::bigint AS replica_ms, sum(ms * most)::bigint AS most_ms
        FROM (
            SELECT *, round(1000 * extract(epoch FROM least(until, :until) - greatest(since, :since))) AS ms
            FROM replica_spans WHERE until > :since AND since < :until
        ) AS spans
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    """,
    "recorded": """
        SELECT extract(epoch FROM min(greatest(since, :since)))::float8 AS since
        FROM replica_spans WHERE until > :since AND since < :until
    """,
    "kept": """
        SELECT to_char(min(day) AT TIME ZONE 'UTC', 'YYYY-MM') AS first_month,
            to_char(max(day) AT TIME ZONE 'UTC', 'YYYY-MM') AS last_month
        FROM usage_days
    """,
}
"""By the name in the answer: what the database is asked."""


async def facts_of(store: Store, since: datetime, until: datetime) -> Mapping[str, list[Row]]:
    """Everything in ``FACTS`` from ``since`` to before ``until``, in one moment's state.

    Raises:
        StoreUnavailableError: the database is away.

    """
    found: dict[str, list[Row]] = {}
    async with store.begin(_DEADLINE_S) as connection:
        await connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        for name, query in FACTS.items():
            values = {"since": since, "until": until} if ":since" in query else {}
            rows = await connection.execute(text(query), values)
            found[name] = [dict(row) for row in rows.mappings()]
    return found
