"""What the page tells of money: budgets, the limits that tenants are nearest to, and what this month came to.

With accounts from the database, looked up at most every ``EVERY_S`` while somebody watches; without, what may be spent
on a day. Definitions are the ledger's: what was saved is what the baseline would have charged for the same answers,
less what paid targets did; what one's own GPUs cost is not in it.
"""

from __future__ import annotations

import time
from typing import Any

from router.accounts.budget import FLEET
from router.accounts.errors import StoreUnavailableError
from router.accounts.period import Period
from router.accounts.standing import Standing, standings
from router.accounts.store import Store
from router.accounts.usage import Usage, total, usage
from router.page.figures import MICROS, Figures, Places, stayed
from router.page.lookout import Lookout

EVERY_S = 10.0
MOST = 12
"""Limits that are shown."""


class Money:
    """Remembers the latest look into the database."""

    def __init__(self, lookout: Lookout) -> None:
        """Nothing is looked up yet."""
        self._lookout, self._places = lookout, Places(lookout.fleet)
        self._looked = -EVERY_S
        self._found: Figures = {}

    async def look(self) -> None:
        """Look into the database where there is one and it is time."""
        store, now = self._lookout.store, time.monotonic()
        if store is None or now - self._looked < EVERY_S:
            return
        self._looked = now
        try:
            self._found = await self._from(store)
        except StoreUnavailableError:
            self._found = {**self._found, "away": True}

    def told(self, spent_usd: float) -> Figures:
        """Budgets and limits; ``spent_usd`` of today's money where nobody has an account."""
        if self._lookout.store is not None:
            return self._found
        limit = self._lookout.fleet.spillover.open_usd_per_day
        return {"budgets": [_limit("", "usd_per_day", limit, spent_usd)] if limit else []}

    async def _from(self, store: Store) -> Figures:
        spec = self._lookout.fleet.tenants
        month = Period(store.now().date().replace(day=1))
        rows = await usage(store, "model", None, month)
        found = await standings(store, spec)
        return {
            "away": False,
            "budgets": [_told(one) for one in found if one.tenant == FLEET],
            "limits": [_told(one) for one in found if one.tenant != FLEET][:MOST],
            "month": self._month(rows),
        }

    def _month(self, rows: list[Usage]) -> dict[str, Any]:
        """This month's share that stayed, and what it saved."""
        by_place = [
            {
                "place": self._places.of(row.heading),
                "answers": row.requests,
                "tokens": row.prompt_tokens + row.completion_tokens,
            }
            for row in rows
        ]
        sums = total(rows)
        saved = (sums.baseline_micros - sums.cost_micros) / MICROS if self._lookout.fleet.spillover.baseline else None
        return {"stayed": stayed(by_place), "cost_usd": sums.cost_micros / MICROS, "saved_usd": saved}


def _told(one: Standing) -> Figures:
    return _limit(one.tenant, one.what, one.limit, one.used)


def _limit(tenant: str, what: str, limit: float, used: float) -> Figures:
    return {"tenant": tenant, "what": what, "limit": limit, "used": used}
