"""Whether a request is within its tenant's limits, said without waiting: from units that this gateway leased before.

Invariant: over any number of gateways, what is admitted in a window is never more than its limit, and nobody is refused
while a unit is free anywhere that answers. The clock is the database's, carried on by the monotonic one.

* :meth:`Quotas.try_take` is the fast path: memory only, microseconds.
* :meth:`Quotas.take` leases more where that is not enough, and asks other gateways for theirs before it refuses.

Neighbours: :mod:`router.accounts.allowance` does the arithmetic, :mod:`router.accounts.supply` the leasing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn, Self

from sqlalchemy.exc import DBAPIError

from router.accounts.allowance import MONOTONIC, Allowance, Clock, Hold, Lease
from router.accounts.channels import TENANTS
from router.accounts.errors import StoreUnavailableError
from router.accounts.facts import Principal
from router.accounts.leases import Ask
from router.accounts.limited import accounts_away, headers, over_limit, too_many_at_once, unknown_tenant
from router.accounts.presence import DEAD_AFTER_S
from router.accounts.store import Store
from router.accounts.supply import SCARCE_S, Supply

RECALL_S = 1.0
"""How long a request waits at most for other gateways to give back what they do not use."""
RECHECK_S = 0.1
"""After a refusal for want of units that others hold, for so long the next ones are refused without asking."""
_ROUNDS = 4
_TICK_S = 1.0
_TIDY_EVERY = 10

_log = logging.getLogger(__name__)


class Quotas:
    """The limits of every tenant, at this gateway."""

    def __init__(self, store: Store, gateway: str, clock: Clock = MONOTONIC, dead_after: float = DEAD_AFTER_S) -> None:
        """Use :meth:`open`."""
        self._store, self._clock = store, clock
        self._supply = Supply(store, gateway, clock, dead_after)
        self._presence = self._supply.presence
        self._allowances = self._supply.allowances
        self.recall_s, self.recheck_s = RECALL_S, RECHECK_S

    @classmethod
    async def open(cls, store: Store, gateway: str, clock: Clock = MONOTONIC, dead_after: float = DEAD_AFTER_S) -> Self:
        """Register this gateway, under an id that no process had before, and listen to the others.

        Raises:
            StoreUnavailableError: the database is away.

        """
        quotas = cls(store, gateway, clock, dead_after)
        await store.listen(TENANTS, quotas._changed)
        await quotas._supply.open()
        return quotas

    def try_take(self, principal: Principal, messages: int = 1, tokens: int = 0) -> Hold | None:
        """Hold what a request may use at most; None when :meth:`take` has to find out."""
        allowance = self._allowances.get(principal.tenant)
        if allowance is None or (principal.plan is not allowance.plan and not allowance.matches(principal.plan)):
            return None
        return allowance.take(messages, tokens, self._presence.good_until)

    async def take(self, principal: Principal, messages: int = 1, tokens: int = 0) -> Hold:
        """Hold what a request may use at most, leasing it where need be.

        Raises:
            Refusal: 429 for a limit, 401 when the tenant was deleted, 503 when only the database could tell.

        """
        hold = self.try_take(principal, messages, tokens)
        try:
            while hold is None:
                allowance = await self._allowance(principal)
                if allowance.running >= allowance.most:
                    raise too_many_at_once(allowance.most)
                await self._obtain(allowance, messages, tokens)
                hold = self.try_take(principal, messages, tokens)
        except StoreUnavailableError as exc:
            raise accounts_away() from exc
        return hold

    def headers(self, principal: Principal) -> list[tuple[bytes, bytes]]:
        """``x-ratelimit-*`` for an answer; empty where nothing is limited."""
        allowance = self._allowances.get(principal.tenant)
        return [] if allowance is None else headers(allowance, self._clock())

    async def run(self) -> NoReturn:
        """Beat, lease ahead and give back, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(_forever(self._presence.run))
            group.create_task(_forever(self._supply.fill))
            group.create_task(_forever(self._tick))
        raise AssertionError

    async def close(self) -> None:
        """Give everything back; close the ledger before, or what it has not settled yet would be given back too."""
        await self._supply.quiet()
        try:
            await self._presence.leave()
        except StoreUnavailableError:
            _log.warning("the database is away; the other gateways will take this one's leases back")

    async def _allowance(self, principal: Principal) -> Allowance:
        """The tenant's allowance, under the principal's plan."""
        allowance = self._allowances.get(principal.tenant)
        if allowance is None:
            allowance = Allowance(principal.tenant, principal.plan, self._clock, self._supply.wake)
            self._allowances[principal.tenant] = allowance
        elif not allowance.matches(principal.plan):
            await self._supply.drop(allowance, allowance.adopt(principal.plan))
        return allowance

    async def _obtain(self, allowance: Allowance, messages: int, tokens: int) -> None:
        """Have enough for one request brought in; raises Refusal when there is not enough."""
        async with allowance.turn:
            if allowance.leases and self._clock() >= self._presence.good_until:
                await self._presence.beat()
            rooms: dict[str, int] = {}
            for _ in range(_ROUNDS):
                short = allowance.shortfalls(messages, tokens)
                if not short:
                    return
                self._refuse_known(short)
                if not await self._bring(allowance, short, rooms):
                    break
            self._refuse(allowance.shortfalls(messages, tokens))

    async def _bring(self, allowance: Allowance, short: list[tuple[Lease, int, int]], rooms: dict[str, int]) -> bool:
        """Lease what is short; whether it may be worth looking again. ``rooms`` goes from one look to the next."""
        now = self._clock()
        asks = [
            Ask(allowance.tenant, lease.kind, lease.limit, lack, lease.want(need, now)) for lease, need, lack in short
        ]
        try:
            shortage = await asyncio.shield(self._supply.spawn(self._supply.bring(allowance, asks, rooms)))
        except LookupError:
            self._allowances.pop(allowance.tenant, None)
            raise unknown_tenant() from None
        if shortage is None:
            return True
        if shortage.recall is None:
            return False
        lacking = {ask.kind for ask, _ in shortage.asks}
        for lease in allowance.leases:
            if lease.kind in lacking:
                lease.scarce_until = now + SCARCE_S
        await shortage.recall.wait(self.recall_s)
        return True

    def _refuse_known(self, short: list[tuple[Lease, int, int]]) -> None:
        """Refuse what the database would: what is used never comes back, and a moment ago it had too little."""
        now = self._clock()
        for lease, need, lack in short:
            gone = need > lease.limit - lease.used
            if gone or (lack >= lease.denied_short and now < lease.denied_until):
                raise over_limit(lease, need, now)

    def _refuse(self, short: list[tuple[Lease, int, int]]) -> None:
        """Refuse for the limit that lasts longest, and remember it."""
        now = self._clock()
        for lease, _, lack in short:
            lease.denied_short, lease.denied_until = lack, now + self.recheck_s
        if short:
            lease, need, _ = max(short, key=lambda entry: entry[0].ends)
            raise over_limit(lease, need, now)

    async def _tick(self) -> None:
        for _ in range(_TIDY_EVERY):
            await asyncio.sleep(_TICK_S)
            self._supply.notice_set_clock()
            await self._supply.look_ahead()
        await self._supply.tidy()

    def _changed(self, tenant: str) -> None:
        """A tenant's plan changed, or it was deleted: what was leased goes back, and is leased anew."""
        allowance = self._allowances.get(tenant)
        if allowance is not None:
            allowance.doubt()
            self._supply.spawn(self._supply.restock(allowance))


async def _forever(work: Callable[[], Awaitable[None]]) -> NoReturn:
    """Do it again and again, whatever the database says."""
    while True:
        try:
            await work()
        except StoreUnavailableError:
            await asyncio.sleep(_TICK_S)
        except DBAPIError:
            _log.exception("the database refused what quotas do in the background")
            await asyncio.sleep(_TICK_S)
