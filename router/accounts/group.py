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
    """A group: a line with its rows as JSON, a line with what they used. An entry given twice is in it once."""
    once = {entry.attempt[:2]: entry for entry in entries}
    rows: list[dict[str, Any]] = []
    uses: list[dict[str, Any]] = []
    for identity, entry in once.items():
        row = dict(zip(_FIELDS, entry.attempt, strict=True))
        rows.append({**row, "reserved": True} if entry.reserved else row)
        whose = (*identity, entry.attempt.tenant)
        uses += [dict(zip(_USED, (*whose, *used), strict=True)) for used in entry.used]
    return orjson.dumps(rows) + b"\n" + orjson.dumps(uses)


def values(group: bytes, gateway: str) -> dict[str, str]:
    """What :data:`CHARGE` takes."""
    rows, _, uses = group.decode().partition("\n")
    return {"rows": rows, "uses": uses, "gateway": gateway}


def halves(group: bytes) -> list[bytes]:
    """Two groups of half the rows; one where there is but one row."""
    rows, uses = map(orjson.loads, group.split(b"\n"))
    middle = len(rows) // 2
    return [_part(part, uses) for part in (rows[:middle], rows[middle:]) if part]


def _part(rows: list[dict[str, Any]], uses: list[dict[str, Any]]) -> bytes:
    ids = {row["request_id"] for row in rows}
    return orjson.dumps(rows) + b"\n" + orjson.dumps([used for used in uses if used["request_id"] in ids])


_FIELDS = Attempt._fields
_USED = ("request_id", "attempt", "tenant", *Used._fields)

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_TYPED = ", ".join(f"{column.name} {column.type.compile(_DIALECT)}" for column in ledger.columns)
_COLUMNS = ", ".join(column.name for column in ledger.columns)
_KEY = ", ".join(column.name for column in usage_days.primary_key)
_COUNTED = [column.name for column in usage_days.columns if not column.primary_key and column.name != "requests"]
_SUMS = ", ".join(f"sum({name})" for name in _COUNTED)
_ADDED = ", ".join(f"{name} = usage_days.{name} + excluded.{name}" for name in ("requests", *_COUNTED))

_USED_TYPES = ("text", "smallint", "text", "text", "timestamptz", "bigint", "bigint")
_USED_TYPED = ", ".join(f"{name} {kind}" for name, kind in zip(_USED, _USED_TYPES, strict=True))

CHARGE = text(f"""
    WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS given({_TYPED}, reserved boolean)
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
        SELECT tenant, kind, window_start, amount, leased
        FROM json_to_recordset(CAST(:uses AS json)) AS used({_USED_TYPED})
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
"""The statement. (That what was used comes apart from the rows lets the planner see how little it is.)"""
