"""The quality loop's own money: so much a day, of no tenant's budget, and a part of the fleet's.

Neighbour: :mod:`router.accounts.budget`, whose windows and reservations it uses under a name that no tenant can have.
"""

from __future__ import annotations

from router.accounts.budget import Budgets, settle_budgets
from router.accounts.store import Store

ACCOUNT = "~quality"
_MOST_DAYS = 31
"""In a month, which is limited by its days."""


class Pot:
    """Reserves and settles."""

    def __init__(self, budgets: Budgets, store: Store, usd_per_day: float) -> None:
        """``usd_per_day`` is ``quality.usd_per_day`` of the fleet file."""
        self._budgets, self._store = budgets, store
        self._usd = (usd_per_day, usd_per_day * _MOST_DAYS)

    async def reserve(self, tenant: str, call_id: str, micros: int) -> None:
        """Set the worst case of a call aside, which is about a request of ``tenant``.

        Raises:
            Refusal: 402 when not enough is left, 503 when the database is away, 401 for a deleted tenant.

        """
        await self._budgets.take(tenant, ACCOUNT, self._usd, (call_id, 1, micros))

    async def settle(self, call_id: str, micros: int) -> None:
        """What it cost in the end.

        Raises:
            StoreUnavailableError: the database is away; what was reserved is freed when it expires.

        """
        async with self._store.begin() as connection:
            await settle_budgets(connection, [call_id], [1], [micros])
