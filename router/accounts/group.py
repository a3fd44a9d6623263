"""A group of ledger rows: how it travels, and the one statement that charges it.

The statement inserts the rows that are not there yet and, only for those, adds to the daily totals, settles the quotas
and the budgets. A group may therefore be sent again and again; it counts once. Rows of deleted tenants are dropped.
Neighbour: :mod:`router.accounts.ledger` decides when.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

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
    """A group as JSON; an entry that was given twice is in it once."""
    rows = {entry.attempt[:2]: _row(entry) for entry in entries}
    return orjson.dumps(list(rows.values()))


def halves(group: bytes) -> list[bytes]:
    """Two groups of half the rows; one where there is but one row."""
    rows = orjson.loads(group)
    middle = len(rows) // 2
    return [orjson.dumps(part) for part in (rows[:middle], rows[middle:]) if part]


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(_FIELDS, entry.attempt, strict=True))
    if entry.used:
        row["used"] = [dict(zip(_USED, used, strict=True)) for used in entry.used]
    if entry.reserved:
        row["reserved"] = True
    return row


_FIELDS, _USED = Attempt._fields, Used._fields

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_TYPED = ", ".join(f"{column.name} {column.type.compile(_DIALECT)}" for column in ledger.columns)
_COLUMNS = ", ".join(column.name for column in ledger.columns)
_KEY = ", ".join(column.name for column in usage_days.primary_key)
_COUNTED = [column.name for column in usage_days.columns if not column.primary_key and column.name != "requests"]
_SUMS = ", ".join(f"sum({name})" for name in _COUNTED)
_ADDED = ", ".join(f"{name} = usage_days.{name} + excluded.{name}" for name in ("requests", *_COUNTED))

CHARGE = text(f"""
    WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given({_TYPED}, used json, reserved boolean)
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
    )
    SELECT count(*) FROM fresh
""")  # noqa: S608 - names of columns, no values
