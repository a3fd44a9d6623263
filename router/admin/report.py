"""The route that tells the facts of a month's report; ``freehold report`` makes the report of them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from starlette.requests import Request

from cluster.spec import Fleet
from router.accounts.month import facts_of
from router.accounts.period import Period
from router.accounts.store import Store
from router.accounts.summed import sum_up
from router.accounts.verdicts import quality
from router.admin.answers import Answer
from router.admin.quality import quality_card
from router.wire.errors import Refusal

VERSION = 1
"""Of the answer's form."""


class ReportSteps:
    """The step behind the route."""

    def __init__(self, fleet: Fleet, store: Store) -> None:
        """Promises are the fleet's; everything else is read from ``store``."""
        self._fleet, self._store = fleet, store

    async def month(self, request: Request) -> Answer:
        """``GET /admin/report``: the month that is named like 2026-11, by default the one that goes on, in UTC."""
        now = self._store.now().astimezone(UTC)
        first, following = _month_in_query(request, now.date())
        since, until = (datetime.combine(day, time(), UTC) for day in (first, following))
        if since <= now < until:
            await sum_up(self._store, self._fleet.slo, now.date())
        facts = await facts_of(self._store, since, until)
        [left], [recorded], [kept] = facts["left"], facts["recorded"], facts["kept"]
        outside = {name for name, model in self._fleet.models.items() if model.leaves_site}
        judged = await quality(self._store, "tier", None, Period(first, following))
        return {
            "object": "report",
            "version": VERSION,
            "month": f"{since:%Y-%m}",
            "since": since.isoformat(),
            "until": max(since, min(until, now)).isoformat(),
            "whole": until <= now,
            "outside": sorted(outside | {row["model"] for row in facts["egress"]}),
            "left_requests": left["requests"],
            "recorded_since": recorded["since"],
            **kept,
            "quality": [quality_card(row) for row in judged],
            **{name: rows for name, rows in facts.items() if name not in {"left", "recorded", "kept"}},
        }


def _month_in_query(request: Request, today: date) -> tuple[date, date]:
    given = request.query_params.get("month", f"{today:%Y-%m}")
    if not re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", given, re.ASCII):
        raise Refusal(400, "month: one like 2026-11.", param="month", code="invalid_request")
    first = date.fromisoformat(f"{given}-01")
    return first, (first + timedelta(days=31)).replace(day=1)
