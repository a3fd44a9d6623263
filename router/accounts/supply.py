"""Keeps the allowances filled: leases ahead of need in the background, gives back, answers other gateways' recalls.

Invariant: what moves between an allowance and the database moves under its ``wire`` lock, and in the safe order: units
are added here after the database has committed, and taken from here before it is asked.
Neighbours: :mod:`router.accounts.quota` admits; :mod:`router.accounts.leases` has the statements.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from cluster.spec import Plan
from router.accounts.allowance import Allowance, Clock, Lease
from router.accounts.errors import StoreUnavailableError
from router.accounts.leases import Ask, Given, Grant, UnregisteredError, give, lease, open_windows
from router.accounts.presence import DEAD_AFTER_S, Presence
from router.accounts.recall import ANSWER_CHANNEL, ASK_CHANNEL, Asked, Recall, Recalls, Short
from router.accounts.store import Store

AHEAD_S = 5.0
"""How long before a window ends the next one is leased, for tenants that are active."""
IDLE_S = 60.0
"""After so long without a request a tenant's units go back."""
SCARCE_S = 2.0
"""How long a recall keeps gateways from leasing ahead of need; longer than any recall waits."""
SET_S = 5.0
"""A clock that is so far off from one look to the next was set."""
_BATCH = 256
"""Tenants in one transaction of the background."""
_SILENT = 0.4
"""Part of the time to death after which a holder's answer is not waited for."""

_log = logging.getLogger(__name__)


class _Granted(NamedTuple):
    ask: Ask
    grant: Grant
    asked_at: float


class Shortage(NamedTuple):
    """What the database did not have, and the recall that may bring it."""

    asks: list[Short]
    recall: Asked | None


class Supply:
    """The allowances of one gateway, and their traffic with the database."""

    def __init__(self, store: Store, gateway: str, clock: Clock, dead_after: float = DEAD_AFTER_S) -> None:
        """``clock`` is monotonic; ``dead_after`` as in :class:`Presence`."""
        self._store, self._gateway, self._clock = store, gateway, clock
        self.presence = Presence(store, gateway, self._lose, dead_after, clock)
        self.recalls = Recalls(gateway, _SILENT * dead_after)
        self.allowances: dict[str, Allowance] = {}
        self._thirsty: set[Allowance] = set()
        self._thirst = asyncio.Event()
        self._looked_ahead: datetime | None = None
        self._offset: float | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Register, and hear the others.

        Raises:
            StoreUnavailableError: the database is away.

        """
        await self._store.listen(ASK_CHANNEL, self._asked_back)
        await self._store.listen(ANSWER_CHANNEL, self.recalls.heard)
        await self.presence.register()

    def wake(self, allowance: Allowance) -> None:
        """A lease runs low."""
        self._thirsty.add(allowance)
        self._thirst.set()

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run to its end what a client that leaves must not break off."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def quiet(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    # -- for one request --------------------------------------------------------------------------------------------

    async def bring(self, allowance: Allowance, asks: Sequence[Ask], rooms: dict[str, int]) -> Shortage | None:
        """Lease what one request is short of; says what could not be had, and then asks the other gateways for it.

        ``rooms`` remembers from one call to the next what was left, so that nobody is asked in vain again and again.

        Raises:
            StoreUnavailableError: the database is away.
            LookupError: the tenant was deleted.

        """
        async with allowance.wire:
            granted, shortage = await self._lease(asks, rooms)
            for one in granted:
                self._accept(allowance, one)
        if len(granted) < len(asks):
            raise LookupError(allowance.tenant)
        return shortage

    async def drop(self, allowance: Allowance, leases: Iterable[Lease]) -> None:
        """Give back what is free in some leases.

        Raises:
            StoreUnavailableError: the database is away; the units stay leased, unused, until their window ends.

        """
        async with allowance.wire, self._store.begin() as connection:
            if given := _take_free(allowance.tenant, leases, self._clock()):
                await give(connection, self._gateway, given)

    async def restock(self, allowance: Allowance, leases: Iterable[Lease] | None = None) -> None:
        """Give back what is free, in some or all leases; what is needed is leased anew."""
        try:
            await self.drop(allowance, allowance.leases if leases is None else leases)
        except StoreUnavailableError:
            return  # it stays leased, and unused

    # -- in the background ------------------------------------------------------------------------------------------

    async def fill(self) -> None:
        """Wait until some leases run low, and add to them."""
        await self._thirst.wait()
        self._thirst.clear()
        while self._thirsty:
            some = [self._thirsty.pop() for _ in range(min(_BATCH, len(self._thirsty)))]
            now = self._clock()
            await self._stock({allowance: _low(allowance, now) for allowance in some})

    def notice_set_clock(self) -> None:
        """Look whether the database's clock was set; then all windows are other ones, or begin and end otherwise."""
        before, self._offset = self._offset, self._store.now().timestamp() - self._clock()
        if before is not None and abs(self._offset - before) > SET_S:
            _log.warning("the database's clock was set, by %.0f s", self._offset - before)
            for allowance in self.allowances.values():
                self.spawn(self.restock(allowance, allowance.begin_anew()))

    async def look_ahead(self) -> None:
        """In the last seconds of a minute, lease the next one's units for those who are active."""
        now = self._store.now()
        minute = now.replace(second=0, microsecond=0)
        if now.second < 60 - AHEAD_S or minute == self._looked_ahead:
            return
        self._looked_ahead = minute
        active = [allowance for allowance in self.allowances.values() if allowance.taken != allowance.taken_before]
        for at in range(0, len(active), _BATCH):
            await self._stock({allowance: _ending(allowance, self._clock()) for allowance in active[at : at + _BATCH]})

    async def tidy(self) -> None:
        """Forget tenants that have not called for long, and give back what they had."""
        now = self._clock()
        for allowance in list(self.allowances.values()):
            if allowance.taken != allowance.taken_before or allowance.running:
                allowance.taken_before, allowance.idle_since = allowance.taken, now
            elif now - allowance.idle_since >= IDLE_S and not allowance.turn.locked():
                del self.allowances[allowance.tenant]
                await self.drop(allowance, allowance.leases)

    async def _stock(self, wanted: dict[Allowance, list[Ask]]) -> None:
        """Lease ahead for several tenants at once; those that are being asked for anyway are left out."""
        free = {allowance: asks for allowance, asks in wanted.items() if asks and not allowance.wire.locked()}
        if not free:
            return
        owners = {allowance.tenant: allowance for allowance in free}
        try:
            for allowance in free:
                await allowance.wire.acquire()
            granted, _ = await self._lease([ask for asks in free.values() for ask in asks], None)
            for one in granted:
                self._accept(owners[one.ask.tenant], one)
        finally:
            for allowance in free:
                allowance.wire.release()

    def _accept(self, allowance: Allowance, granted: _Granted) -> None:
        """Take a grant over; what is free in a lease that it takes the place of goes back: a clock was set."""
        replaced = allowance.accept(*granted)
        if replaced is not None and replaced.free > 0:
            self.spawn(self.restock(allowance, [replaced]))

    # -- with the database ------------------------------------------------------------------------------------------

    async def _lease(self, asks: Sequence[Ask], rooms: dict[str, int] | None) -> tuple[list[_Granted], Shortage | None]:
        """Grants for the asks, opening windows that are new; without those whose tenant is gone."""
        granted, shortage, closed = await self._ask(asks, rooms)
        if closed:
            async with self._store.begin() as connection:
                await open_windows(connection, closed)
            more, newly, _ = await self._ask(closed, rooms)
            granted += more
            shortage = shortage or newly
        return granted, shortage

    async def _ask(
        self, asks: Sequence[Ask], rooms: dict[str, int] | None
    ) -> tuple[list[_Granted], Shortage | None, list[Ask]]:
        """One transaction: grants, what is short, and the asks whose window is not open."""
        asked_at = self._clock()
        try:
            async with self._store.begin() as connection:
                grants = await lease(connection, self._gateway, asks)
                pairs = [(ask, grant) for ask, grant in zip(asks, grants, strict=True) if grant is not None]
                short = [Short(ask, grant) for ask, grant in pairs if grant.units < ask.need]
                asked = None if rooms is None or not short else await self.recalls.ask(connection, short, rooms)
        except UnregisteredError:
            await self.presence.beat()
            return await self._ask(asks, rooms)
        granted = [_Granted(ask, grant, asked_at) for ask, grant in pairs]
        closed = [ask for ask, grant in zip(asks, grants, strict=True) if grant is None]
        return granted, Shortage(short, asked) if short else None, closed

    def _asked_back(self, payload: str) -> None:
        recall = Recall.read(payload)
        if recall.asker != self._gateway:
            self.spawn(self._answer(recall))

    async def _answer(self, recall: Recall) -> None:
        """Give back what another gateway asks for, and keep from leasing it ahead for a while."""
        allowance = self.allowances.get(recall.tenant) or Allowance(recall.tenant, Plan(), self._clock, self.wake)
        try:
            async with allowance.wire, self._store.begin() as connection:
                now = self._clock()
                leases = [held for held in allowance.leases if held.kind.field in recall.kinds]
                for held in leases:
                    held.scarce_until, held.low = now + SCARCE_S, -1
                if given := _take_free(recall.tenant, leases, now):
                    await give(connection, self._gateway, given)
                await self.recalls.answer(connection, recall)
        except StoreUnavailableError:
            return  # whoever asked waits no longer than it would for a dead gateway

    def _lose(self) -> None:
        for allowance in self.allowances.values():
            allowance.lose()


def _take_free(tenant: str, leases: Iterable[Lease], now: float) -> list[Given]:
    """Take every free unit out of some leases."""
    given: list[Given] = []
    for held in leases:
        if held.free > 0 and now < held.ends:
            given.append(Given(tenant, held.kind.field, held.window_start, held.free))
            held.free = 0
    return given


def _low(allowance: Allowance, now: float) -> list[Ask]:
    """What an allowance would have ahead of need in its present windows."""
    return [
        Ask(allowance.tenant, held.kind, held.limit, 0, held.want(0, now))
        for held in allowance.leases
        if now < held.ends and now >= held.scarce_until and held.block and held.free < max(1, held.block // 2)
    ]


def _ending(allowance: Allowance, now: float) -> list[Ask]:
    """What an allowance would have of the windows that follow those that end soon."""
    return [
        Ask(allowance.tenant, held.kind, held.limit, 0, max(1, held.block), ahead=True)
        for held in allowance.leases
        if now < held.ends <= now + AHEAD_S and held.following is None
    ]
