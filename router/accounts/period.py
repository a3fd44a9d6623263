"""A time in whole days, of which usage, quality and what left the site are told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select


class Period(NamedTuple):
    """Days in UTC, the first included and the last not; None for no end."""

    since: date | None = None
    until: date | None = None

    def of(self, query: Select[Any], moment: ColumnElement[datetime]) -> Select[Any]:
        """The query's rows whose ``moment`` is in it."""
        if self.since is not None:
            query = query.where(moment >= datetime.combine(self.since, time(), UTC))
        if self.until is not None:
            query = query.where(moment < datetime.combine(self.until, time(), UTC))
        return query


ALWAYS = Period()
