"""Everything that is kept of one tenant, for that tenant to take along: a line of JSON for each row.

One snapshot, streamed, so that it is consistent and needs little memory however long the ledger is. What only serves to
check a key or to find an answer (digests) stays here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, LargeBinary, Row, Select, Text, cast, func, select

from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.accounts.tables import (
    budget_windows,
    egress,
    keys,
    labels,
    ledger,
    quota_windows,
    reservations,
    responses,
    samples,
    tenants,
    usage_days,
)

DEADLINE_S = 3600.0
_ROWS = 1000
"""Rows that are in memory at a time."""
_FOR_CHECKING = {"digest", "pepper"}


async def export(store: Store, tenant: str, sealer: Sealer) -> AsyncIterator[bytes]:
    """Lines ``{"table": …, "row": {…}}``, many at a time; none for a tenant that there is not. Prompts are unsealed.

    Raises:
        StoreUnavailableError: the database is away; what came so far is not all.

    """
    async with store.begin(DEADLINE_S) as connection:
        await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for query in _queries(tenant):
            async with connection.stream(query.execution_options(yield_per=_ROWS)) as rows:
                async for part in rows.partitions():
                    yield "".join(f"{line}\n" for (line,) in part).encode()
        sampled = select(samples).where(samples.c.tenant == tenant).execution_options(yield_per=_ROWS)
        async with connection.stream(sampled) as rows:
            async for part in rows.partitions():
                yield b"".join(_line(row, sealer) for row in part)


def _line(row: Row[Any], sealer: Sealer) -> bytes:
    words = sealer.unseal(row.tenant, row.request_id, bytes(row.prompt))
    plain = {"tenant": row.tenant, "request_id": row.request_id, "prompt": words, "expires_at": row.expires_at}
    return orjson.dumps({"table": "samples", "row": plain}, option=orjson.OPT_APPEND_NEWLINE)


def _queries(tenant: str) -> Iterator[Select[str]]:
    kept = (keys, quota_windows, budget_windows, reservations, responses, usage_days, ledger, egress, labels)
    for table, owner in ((tenants, tenants.c.name), *((table, table.c.tenant) for table in kept)):
        columns = [column for column in table.columns if column.name not in _FOR_CHECKING]
        fields = [part for column in columns for part in (cast(column.name, Text), _readable(column))]
        line = func.json_build_object("table", str(table.name), "row", func.json_build_object(*fields))
        yield select(cast(line, Text)).where(owner == tenant)


def _readable(column: Column[Any]) -> ColumnElement[Any]:
    """Bytes as text; everything else as JSON has it."""
    return func.encode(column, "escape") if isinstance(column.type, LargeBinary) else column
