"""What is left of the fleet's budgets, for whoever watches; :mod:`router.accounts.budget` decides what may be spent."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.facts import MICROS, Left

_USED = text("""
    SELECT kind, spent_micros + reserved_micros AS used FROM budget_windows
    WHERE tenant = '' AND window_start = date_trunc(kind, now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
""")


class Remaining:
    """As it was when somebody last looked into the database."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        """``limits`` are the fleet's budgets in millionths of a dollar, by window."""
        self._limits = limits
        self._used: dict[str, int] | None = None

    async def look(self, connection: AsyncConnection) -> None:
        """Ask for this day's and this month's."""
        self._used = {row.kind: row.used for row in await connection.execute(_USED)}

    def left(self) -> dict[str, Left]:
        """By window; empty before the first look."""
        if self._used is None:
            return {}
        return {window: left_of(limit, self._used.get(window, 0)) for window, limit in self._limits.items()}


def left_of(limit: int, used: int) -> Left:
    """Of one budget, in millionths of a dollar."""
    return Left(limit / MICROS, max(0.0, 1 - used / limit) if limit else 0.0)
