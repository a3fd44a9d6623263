"""That this gateway lives, told to the others through the database; and that another one no longer does.

Invariant: a gateway's leases go back only when its row has stood still for ``dead_after`` seconds of *another's*
monotonic clock, through which that other one was connected; and it stops using them some seconds before that. So
neither a clock that jumps nor an outage of the database makes two gateways use the same unit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import NoReturn

from sqlalchemy import text

from router.accounts.errors import StoreUnavailableError
from router.accounts.leases import purge
from router.accounts.store import Store

DEAD_AFTER_S = 15.0
"""How long a silent gateway keeps its leases."""
_BEATS = 5
"""Beats in that time."""
_GOOD_FOR = 0.8
"""The part of it for which a gateway uses its leases without a beat."""
_PURGE_S = 600.0

_log = logging.getLogger(__name__)

_REGISTER = text("""
    INSERT INTO gateways (id, seen_at) VALUES (:id, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
""")
_BEAT = text("UPDATE gateways SET seen_at = clock_timestamp() WHERE id = :id RETURNING id")
_OTHERS = text("SELECT id, seen_at FROM gateways WHERE id <> :id")
_STILL = text("SELECT id FROM gateways WHERE id = :id AND seen_at = :seen_at FOR UPDATE SKIP LOCKED")
_MINE = text("SELECT id FROM gateways WHERE id = :id FOR UPDATE")
_RETURN = text("""
    WITH held AS (
        SELECT w.tenant, w.kind, w.window_start
        FROM quota_windows w JOIN quota_leases l USING (tenant, kind, window_start)
        WHERE l.gateway = :id
        ORDER BY w.tenant, w.kind, w.window_start
        FOR UPDATE OF w
    ),
    gone AS (
        DELETE FROM quota_leases l USING held h
        WHERE (l.tenant, l.kind, l.window_start) = (h.tenant, h.kind, h.window_start) AND l.gateway = :id
        RETURNING l.tenant, l.kind, l.window_start, l.amount
    )
    UPDATE quota_windows w SET leased = w.leased - g.amount FROM gone g
    WHERE (w.tenant, w.kind, w.window_start) = (g.tenant, g.kind, g.window_start)
""")
_FORGET = text("DELETE FROM gateways WHERE id = :id")


class Presence:
    """One gateway among the others."""

    def __init__(
        self,
        store: Store,
        gateway: str,
        lost: Callable[[], None],
        dead_after: float = DEAD_AFTER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``lost`` is called when the others have taken this one for dead."""
        self._store, self._gateway, self._lost, self._dead_after = store, gateway, lost, dead_after
        self._clock = clock
        self._seen: dict[str, tuple[datetime, float]] = {}
        self._purged = -_PURGE_S
        self._hurry = asyncio.Event()
        self.good_until = clock()
        """Monotonic; leases are this gateway's until then."""
        store.on_change(self._forget_others, self._hurry.set)

    async def register(self) -> None:
        """Make this gateway known.

        Raises:
            StoreUnavailableError: the database is away.

        """
        began = self._clock()
        async with self._store.begin() as connection:
            await connection.execute(_REGISTER, {"id": self._gateway})
        self.good_until = began + _GOOD_FOR * self._dead_after

    async def run(self) -> NoReturn:
        """Beat until cancelled."""
        while True:
            try:
                await self.beat()
            except StoreUnavailableError:
                self._forget_others()
            self._hurry.clear()
            try:
                async with asyncio.timeout(self._dead_after / _BEATS):
                    await self._hurry.wait()
            except TimeoutError:
                continue

    async def beat(self) -> None:
        """Show a sign of life, look for others', and take back what the dead had.

        Raises:
            StoreUnavailableError: the database is away.

        """
        began = self._clock()
        async with self._store.begin() as connection:
            known = (await connection.execute(_BEAT, {"id": self._gateway})).first()
            if known is None:
                await connection.execute(_REGISTER, {"id": self._gateway})
            rows = (await connection.execute(_OTHERS, {"id": self._gateway})).all()
        if known is None:
            _log.warning("gateway %s was taken for dead; it goes on with new leases", self._gateway)
            self._lost()
        self.good_until = began + _GOOD_FOR * self._dead_after
        others: dict[str, datetime] = {row.id: row.seen_at for row in rows}
        for gateway, seen_at in self._silent(others, began):
            await self._retire(gateway, seen_at)
        if began >= self._purged + _PURGE_S:
            self._purged = began
            async with self._store.begin() as connection:
                await purge(connection)

    async def leave(self) -> None:
        """Give every lease back and go.

        Raises:
            StoreUnavailableError: the database is away; the others will notice by themselves.

        """
        await self._return(self._gateway, None)

    def _forget_others(self) -> None:
        """While we do not see the database, nobody is silent."""
        self._seen = {}

    def _silent(self, others: dict[str, datetime], now: float) -> list[tuple[str, datetime]]:
        """Those whose sign of life has not changed for too long; remembers the others'."""
        before = self._seen
        self._seen = {
            gateway: before[gateway] if gateway in before and before[gateway][0] == seen_at else (seen_at, now)
            for gateway, seen_at in others.items()
        }
        return [(who, at) for who, (at, since) in self._seen.items() if now - since >= self._dead_after]

    async def _retire(self, gateway: str, seen_at: datetime) -> None:
        if await self._return(gateway, seen_at):
            _log.warning("gateway %s is silent; its leases went back", gateway)

    async def _return(self, gateway: str, seen_at: datetime | None) -> bool:
        """Delete a gateway's row and its leases; only if it is still the row that was seen."""
        values = {"id": gateway, "seen_at": seen_at}
        async with self._store.begin() as connection:
            if (await connection.execute(_MINE if seen_at is None else _STILL, values)).first() is None:
                return False
            await connection.execute(_RETURN, values)
            await connection.execute(_FORGET, values)
        return True
