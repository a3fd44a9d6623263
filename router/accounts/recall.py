"""Units that other gateways leased and do not use, asked back before anybody is refused for want of them.

Who is short notifies ``freehold_recall``; every gateway stops leasing that window ahead of need for a while, gives back
what it has free, and then answers on ``freehold_recalled``. So a refusal means that no unit was free anywhere.
Neighbour: :mod:`router.accounts.quota` does the giving back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.leases import Ask, Grant

_log = logging.getLogger(__name__)

ASK_CHANNEL = "freehold_recall"
ANSWER_CHANNEL = "freehold_recalled"

_HOLDERS = text("""
    SELECT l.kind, CAST(sum(l.amount) AS bigint) AS amount,
        array_agg(l.gateway) FILTER (WHERE g.seen_at > clock_timestamp() - make_interval(secs => :silent)) AS awake
    FROM quota_leases l
        JOIN gateways g ON g.id = l.gateway
        JOIN unnest(CAST(:kinds AS text[]), CAST(:starts AS timestamptz[])) AS s(kind, window_start)
            USING (kind, window_start)
    WHERE l.tenant = :tenant AND l.gateway <> :gateway AND l.amount > 0
    GROUP BY l.kind
""")
_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


class Short(NamedTuple):
    """An ask that was granted nothing."""

    ask: Ask
    grant: Grant


class Recall(NamedTuple):
    """What another gateway wants back."""

    asker: str
    number: int
    tenant: str
    kinds: list[str]

    @classmethod
    def read(cls, payload: str) -> Recall:
        """From a notice."""
        return cls(*orjson.loads(payload))


class Asked:
    """A recall under way: who has yet to answer."""

    def __init__(self, awaited: set[str]) -> None:
        """By the holders' ids."""
        self._awaited = awaited
        self._done = asyncio.Event()

    def answered(self, gateway: str) -> None:
        """One of them has given back what it could."""
        self._awaited.discard(gateway)
        if not self._awaited:
            self._done.set()

    async def wait(self, seconds: float) -> None:
        """Until all have answered, or so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._done.wait()
        except TimeoutError:
            _log.warning("did not answer within %g s, and may hold unused quota: %s", seconds, ", ".join(self._awaited))


class Recalls:
    """The recalls of one gateway."""

    def __init__(self, gateway: str, silent_s: float) -> None:
        """Holders that were silent for ``silent_s`` are not waited for."""
        self._gateway, self._silent_s = gateway, silent_s
        self._asked: WeakValueDictionary[int, Asked] = WeakValueDictionary()
        self._number = 0

    async def ask(self, connection: AsyncConnection, short: Sequence[Short], rooms: dict[str, int]) -> Asked | None:
        """Ask the others, if what they hold may be enough; None where asking is of no use.

        Within the transaction that found the shortage, so that it is true when the notice goes out. ``rooms`` has what
        was left at the last recall for the same request; where that has not changed, it brought nothing.
        """
        left = {ask.kind.field: grant.room for ask, grant in short}
        if all(rooms.get(kind) == room for kind, room in left.items()):
            return None
        rooms.update(left)
        values: dict[str, Any] = {
            "tenant": short[0].ask.tenant,
            "gateway": self._gateway,
            "silent": self._silent_s,
            "kinds": [ask.kind.field for ask, _ in short],
            "starts": [grant.window_start for _, grant in short],
        }
        held = {row.kind: row for row in (await connection.execute(_HOLDERS, values)).all()}
        if any(ask.kind.field not in held for ask, _ in short):
            return None
        if any(grant.room + held[ask.kind.field].amount < ask.need for ask, grant in short):
            return None
        awake = {gateway for row in held.values() for gateway in row.awake or ()}
        if not awake:
            return None
        self._number += 1
        asked = self._asked[self._number] = Asked(awake)
        payload = orjson.dumps([self._gateway, self._number, values["tenant"], values["kinds"]])
        await connection.execute(_NOTIFY, {"channel": ASK_CHANNEL, "payload": payload.decode()})
        return asked

    def heard(self, payload: str) -> None:
        """Somebody answered somebody."""
        asker, number, answerer = orjson.loads(payload)
        asked = self._asked.get(number) if asker == self._gateway else None
        if asked is not None:
            asked.answered(answerer)

    async def answer(self, connection: AsyncConnection, recall: Recall) -> None:
        """Say that what could be given back is given back, in the same transaction."""
        payload = orjson.dumps([recall.asker, recall.number, self._gateway]).decode()
        await connection.execute(_NOTIFY, {"channel": ANSWER_CHANNEL, "payload": payload})
