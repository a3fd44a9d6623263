"""Which trained router is in use at every gateway: a log of moves, and the routers themselves (at most 1 MB each).

Nothing is changed in place: what is in use follows from the moves, and taking one back is a move too. Gateways hear of
a move by a notice. Neighbours: :mod:`router.quality.following` puts it in use, :mod:`router.quality.retrain` decides.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import desc, insert, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.channels import ROUTERS, notice
from router.accounts.store import Store
from router.accounts.tables import router_moves, routers
from router.wire.errors import Refusal

PROMOTED, KEPT, ROLLED_BACK = "promoted", "kept", "rolled-back"
_LOCK = text("SELECT pg_advisory_xact_lock(7246003)")
"""One move at a time; any number that no other lock has."""
_TRY, _GIVE = text("SELECT pg_try_advisory_lock(7246004)"), text("SELECT pg_advisory_unlock(7246004)")
"""One training at a time."""
_DONE = text("SELECT EXISTS (SELECT FROM router_moves WHERE why ->> 'night' = :night)")
_NIGHT_S = 7200.0


class InUse(NamedTuple):
    """What gateways work with."""

    version: str
    share: float | None
    """Of the large tier; None for what the fleet file's dial says."""


class Move(NamedTuple):
    """A line of the log."""

    id: str
    at: datetime
    action: str
    """``promoted``, ``rolled-back``, or ``kept``: a newly trained one was not better."""
    version: str
    share: float | None
    why: Mapping[str, Any]


class Artefact(NamedTuple):
    """A trained router, as :mod:`router.learn.artefact` reads it."""

    card: Mapping[str, Any]
    model: bytes


class Routers:
    """Reads and writes the log. Every method raises StoreUnavailableError while the database is away."""

    def __init__(self, store: Store) -> None:
        """In ``store``."""
        self._store = store

    async def in_use(self) -> InUse | None:
        """What the moves come to; None where nothing was ever moved, so that each machine's own files decide."""
        async with self._store.begin() as connection:
            return (await _history(connection))[-1]

    async def fetch(self, version: str) -> Artefact:
        """A router that was promoted."""
        async with self._store.begin() as connection:
            query = select(routers.c.card, routers.c.model).where(routers.c.version == version)
            row = (await connection.execute(query)).one()
        return Artefact(row.card, bytes(row.model))

    async def promote(self, artefact: Artefact, share: float | None, why: Mapping[str, Any]) -> InUse:
        """Put a router in use everywhere."""
        version = str(artefact.card["version"])
        row = {"version": version, "card": dict(artefact.card), "model": artefact.model}
        async with self._store.begin() as connection:
            await connection.execute(_LOCK)
            await connection.execute(postgresql.insert(routers).values(row).on_conflict_do_nothing())
            await _move(connection, PROMOTED, InUse(version, share), why)
        return InUse(version, share)

    async def keep(self, why: Mapping[str, Any]) -> None:
        """Have it in the log that a new router was trained, and was no better."""
        async with self._store.begin() as connection:
            await connection.execute(_LOCK)
            await _move(connection, KEPT, (await _history(connection))[-1], why)

    async def roll_back(self, why: Mapping[str, Any]) -> InUse | None:
        """Take the latest promotion back; gives back what is in use then, as :meth:`in_use` does.

        Raises:
            Refusal: 409, there is none to take back.

        """
        async with self._store.begin() as connection:
            await connection.execute(_LOCK)
            history = await _history(connection)
            if len(history) == 1:
                raise Refusal(409, "No promotion is left to be taken back.", code="nothing_promoted")
            await _move(connection, ROLLED_BACK, history[-2], why)
        return history[-2]

    @asynccontextmanager
    async def alone(self, night: str) -> AsyncIterator[bool]:
        """Whether the caller alone may train while the block lasts, and nobody has in this ``night``."""
        async with self._store.autocommit(_NIGHT_S) as connection:
            mine = bool(await connection.scalar(_TRY))
            try:
                yield mine and not await connection.scalar(_DONE, {"night": night})
            finally:
                if mine:
                    await connection.execute(_GIVE)

    async def moves(self, limit: int) -> list[Move]:
        """The latest moves, the last one first."""
        query = select(*(router_moves.c[name] for name in Move._fields)).order_by(desc(router_moves.c.at)).limit(limit)
        async with self._store.begin() as connection:
            return [Move(*row) for row in await connection.execute(query)]


async def _history(connection: AsyncConnection) -> list[InUse | None]:
    """What was in use before each promotion that still stands, and what is now; the first is None: files decide."""
    query = select(router_moves.c.action, router_moves.c.version, router_moves.c.share).order_by(router_moves.c.at)
    found: list[InUse | None] = [None]
    for row in await connection.execute(query):
        if row.action == PROMOTED:
            found.append(InUse(row.version, row.share))
        elif row.action == ROLLED_BACK:
            found.pop()
    return found


async def _move(connection: AsyncConnection, action: str, now: InUse | None, why: Mapping[str, Any]) -> None:
    name = f"mv_{secrets.token_hex(12)}"
    version, share = now or ("", None)
    row = {"id": name, "action": action, "version": version, "share": share, "why": dict(why)}
    await connection.execute(insert(router_moves).values(row))
    await connection.execute(notice(ROUTERS, name))
