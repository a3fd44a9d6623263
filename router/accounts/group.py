"""A group of ledger rows: how it travels, and the one statement that charges it.

The statement inserts the rows that are not there yet and, only for those, adds to the daily totals, settles the quotas
and the budgets. A group may therefore be sent again and again; it counts once. Rows of deleted tenants are dropped.
Neighbour: :mod:`router.accounts.ledger` decides when.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from router.accounts import budget, leases
from router.accounts.facts import Attempt, Used
from router.accounts.tables import ledger, usage_days


class Entry(NamedTuple):
    """One attempt, and what has to be settled with it."""

    attempt: Attempt
    used: tuple[Used, ...] = ()
    """What it used up of its tenant's quotas."""
    reserved: bool = False
    """Whether money was reserved for it."""


def encode(entries: Iterable[Entry]) -> bytes:
    """A group: a line with its rows as JSON, a line with the quota windows that they used, each set of windows once.

    An entry given twice is in it once.
    """
    once = {entry.attempt[:2]: entry for entry in entries}
    rows: list[dict[str, Any]] = []
    sets: dict[tuple[tuple[str, datetime], ...], int] = {}
    for entry in once.values():
        row = dict(zip(_FIELDS, entry.attempt, strict=True))
        rows.append(row)
        if entry.reserved:
            row["reserved"] = True
        if entry.used:
            kinds, starts, amounts, leased = zip(*entry.used, strict=True)
            row["windows"] = sets.setdefault(tuple(zip(kinds, starts, strict=True)), len(sets))
            row["amounts"] = amounts
            if leased != amounts:
                row["leased"] = leased
    windows = [
        {"windows": number, "place": place, "kind": kind, "window_start": start}
        for windows, number in sets.items()
        for place, (kind, start) in enumerate(windows, 1)
    ]
    return orjson.dumps(rows) + b"\n" + orjson.dumps(windows)


def values(group: bytes, gateway: str) -> dict[str, str]:
    """What :data:`CHARGE` takes."""
    rows, _, windows = group.decode().partition("\n")
    return {"rows": rows, "windows": windows, "gateway": gateway}


def halves(group: bytes) -> list[bytes]:
    """Two groups of half the rows; one where there is but one row."""
    lines, windows = group.split(b"\n")
    rows = orjson.loads(lines)
    middle = len(rows) // 2
    return [orjson.dumps(part) + b"\n" + windows for part in (rows[:middle], rows[middle:]) if part]


_FIELDS = Attempt._fields

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_TYPED = ", ".join(f"{column.name} {column.type.compile(_DIALECT)}" for column in ledger.columns)
_COLUMNS = ", ".join(column.name for column in ledger.columns)
_KEY = ", ".join(column.name for column in usage_days.primary_key)
_COUNTED = [column.name for column in usage_days.columns if not column.primary_key and column.name != "requests"]
_SUMS = ", ".join(f"sum({name})" for name in _COUNTED)
_ADDED = ", ".join(f"{name} = usage_days.{name} + excluded.{name}" for name in ("requests", *_COUNTED))

CHARGE = text(f"""
    WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given(
            {_TYPED}, reserved boolean, windows integer, amounts bigint[], leased bigint[]
        )
    ),
    known AS (
        SELECT name FROM tenants WHERE name IN (SELECT tenant FROM given) FOR KEY SHARE
    ),
    fresh AS (
        INSERT INTO ledger ({_COLUMNS})
        SELECT {_COLUMNS} FROM given WHERE tenant IN (SELECT name FROM known)
        ON CONFLICT DO NOTHING
        RETURNING *
    ),
    rolled_up AS (
        INSERT INTO usage_days ({_KEY}, requests, {", ".join(_COUNTED)})
        SELECT tenant, date_trunc('day', at, 'UTC') AS day, model, tier, reason, outcome, count(*), {_SUMS}
        FROM fresh GROUP BY {_KEY} ORDER BY {_KEY}
        ON CONFLICT ({_KEY}) DO UPDATE SET {_ADDED}
    ),
    uses AS (
        SELECT tenant, kind, window_start, amounts[place] AS amount, (coalesce(leased, amounts))[place] AS leased
        FROM given JOIN json_to_recordset(CAST(:windows AS json)) AS named(
            windows integer, place integer, kind text, window_start timestamptz
        ) USING (windows)
        WHERE (request_id, attempt) IN (SELECT request_id, attempt FROM fresh)
    ),
    costs AS (
        SELECT request_id, attempt, cost_micros FROM given
        WHERE reserved AND (request_id, attempt) IN (SELECT request_id, attempt FROM fresh)
    ),
    {leases.SETTLE_CTES},
    {budget.SETTLE_CTES}
    SELECT count(*) FROM fresh
""")  # noqa: S608 - names of columns, no values
"""The statement."""
