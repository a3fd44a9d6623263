"""A row with something in every column, for any table of the accounts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, DateTime, Double, Integer, LargeBinary, Table
from sqlalchemy.dialects.postgresql import JSONB

AT = datetime(2026, 11, 1, tzinfo=UTC)

_BY_TYPE: dict[type, Any] = {
    ARRAY: [],
    BigInteger: 1,
    Boolean: False,
    DateTime: AT,
    Double: 0.5,
    Integer: 1,
    LargeBinary: b"x",
    JSONB: {},
}


def _value(column: Column[Any], tenant: str) -> Any:  # noqa: ANN401 - of any column
    if column.name == "tenant" or (column.table.name == "tenants" and column.primary_key):
        return tenant
    found = next((value for kind, value in _BY_TYPE.items() if isinstance(column.type, kind)), None)
    return f"{column.name} of {tenant}" if found is None else found


def row_of(table: Table, tenant: str) -> dict[str, Any]:
    """A row of a tenant's, with something in every column."""
    return {column.name: _value(column, tenant) for column in table.c}
