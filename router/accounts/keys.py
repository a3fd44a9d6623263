"""The keys that this gateway knows: a request with one of them needs no database.

Invariants: a key is found by the digest of all of it, and compared in constant time; what the database says is dropped
when a notice says that it changed, also when the notice overtakes an answer; while no notices come, because the
database is away, known keys are good for ``tenants.known_keys_seconds`` and no longer.
Neighbours: :mod:`router.accounts.issued` makes and ends keys; :mod:`router.accounts.door` judges requests.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from hmac import compare_digest
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ARRAY, Row, Text, any_, bindparam, select

from cluster.spec.tenants import Tenants
from router.accounts.channels import KEYS, TENANTS
from router.accounts.errors import StoreUnavailableError
from router.accounts.facts import Principal, Scope
from router.accounts.pepper import Pepper
from router.accounts.plans import effective
from router.accounts.store import Store
from router.accounts.tables import keys, tenants

MOST_KNOWN = 65_536
"""Keys remembered; the one that was looked up first goes first."""
MOST_GONE = 4096
GONE_S = 60.0
"""How long a key that we made and that no row has is refused without asking again."""
AGAIN_S = 0.25
"""Before the next attempt to read what is known anew."""
_TRIES = 3
"""How often a look-up that a notice overtook is made anew."""

_Name = TypeVar("_Name")
_Value = TypeVar("_Value")


class Known(NamedTuple):
    """A key that has a row."""

    principal: Principal
    digest: bytes
    revoked: bool


class StaleError(StoreUnavailableError):
    """The database has been away for longer than known keys are good."""


class Keys:
    """Known keys, kept true by notices."""

    def __init__(self, store: Store, spec: Tenants, pepper: Pepper) -> None:
        """Nothing is known yet; :meth:`start` begins to listen."""
        self._store, self._spec, self._pepper = store, spec, pepper
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._gone: OrderedDict[str, float] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[Known | None]] = {}
        self._changes = 0
        self._lost_at: float | None = None
        self._checking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; to be called once, before the first request."""
        self._store.on_change(self._lose, self._come_back)
        await self._store.listen(KEYS, self._key_changed)
        await self._store.listen(TENANTS, self._tenant_changed)

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = [task for task in (*self._asked.values(), self._checking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def identify(self, key: bytes) -> Known | None:
        """The key as this gateway knows it; None where it must be looked up. Some microseconds, no I/O.

        Raises:
            StaleError: nothing has been heard of the database for too long.

        """
        if self._lost_at is not None and time.monotonic() - self._lost_at > self._spec.known_keys_seconds:
            msg = f"the database has been away for longer than {self._spec.known_keys_seconds} s (known_keys_seconds)"
            raise StaleError(msg)
        digest = self._pepper.digest(key)
        known = self._known.get(digest)
        return known if known is not None and compare_digest(known.digest, digest) else None

    async def look_up(self, key: bytes, key_id: str) -> Known | None:
        """Ask the database for a key that says of itself that it is ours; None where it has no row.

        However many requests bring it at once, one asks.

        Raises:
            StoreUnavailableError: the database is away.

        """
        if self._gone.get(key_id, 0.0) > time.monotonic():
            return None
        if self._lost_at is not None and not self._store.available:
            msg = "the database is away"
            raise StoreUnavailableError(msg)
        digest = self._pepper.digest(key)
        task = self._asked.get(digest)
        if task is None:
            task = self._asked[digest] = asyncio.create_task(self._ask(digest, key_id))
            task.add_done_callback(lambda done: self._answered(digest, done))
        return await asyncio.shield(task)

    # -- asking the database ----------------------------------------------------------------------------------------

    async def _ask(self, digest: bytes, key_id: str) -> Known | None:
        found: Known | None = None
        for _ in range(_TRIES):
            before = self._changes
            found = next(iter(await self._read([key_id])), None)
            if before != self._changes:
                continue
            if found is None:
                _add(self._gone, key_id, time.monotonic() + GONE_S, MOST_GONE)
            elif compare_digest(found.digest, digest):
                _add(self._known, digest, found, MOST_KNOWN)
            break
        return found if found is not None and compare_digest(found.digest, digest) else None

    def _answered(self, digest: bytes, task: asyncio.Task[Known | None]) -> None:
        self._asked.pop(digest, None)
        if not task.cancelled():
            task.exception()  # whoever waits has it; nobody may be left

    async def _read(self, ids: list[str]) -> list[Known]:
        statement = (
            select(keys, tenants.c.plan, tenants.c.overrides)
            .join(tenants, tenants.c.name == keys.c.tenant)
            .where(keys.c.id == any_(bindparam("ids", ids, ARRAY(Text))))
        )
        async with self._store.begin() as connection:
            return [self._row(row) for row in await connection.execute(statement)]

    def _row(self, row: Row[Any]) -> Known:
        scope = Scope(
            tuple(row.models),
            tuple(row.tiers),
            tuple(row.endpoints),
            tuple(row.networks),
            admin=row.admin,
            expires_at=row.expires_at,
        )
        plan = effective(self._spec, row.plan, row.overrides)
        return Known(
            Principal(row.tenant, row.id, scope, plan, row.plan), bytes(row.digest), row.revoked_at is not None
        )

    # -- notices, and their absence ---------------------------------------------------------------------------------

    def _key_changed(self, key_id: str) -> None:
        self._changes += 1
        self._gone.pop(key_id, None)
        self._drop(digest for digest, known in self._known.items() if known.principal.key_id == key_id)

    def _tenant_changed(self, tenant: str) -> None:
        self._changes += 1
        self._drop(digest for digest, known in self._known.items() if known.principal.tenant == tenant)

    def _drop(self, digests: Iterable[bytes]) -> None:
        for digest in list(digests):
            del self._known[digest]

    def _lose(self) -> None:
        if self._lost_at is None:
            self._lost_at = time.monotonic()

    def _come_back(self) -> None:
        self._gone.clear()
        if self._lost_at is not None and (self._checking is None or self._checking.done()):
            self._checking = asyncio.create_task(self._check_again())

    async def _check_again(self) -> None:
        """Notices were missed: read every known key anew; until then they are as stale as before."""
        while self._store.available:
            try:
                before = dict(self._known)
                read = await self._read([known.principal.key_id for known in before.values()])
            except StoreUnavailableError:
                await asyncio.sleep(AGAIN_S)
                continue
            self._replace(before, {known.digest: known for known in read})
            self._lost_at = None
            return

    def _replace(self, before: Mapping[bytes, Known], now: Mapping[bytes, Known]) -> None:
        """What a notice touched meanwhile is newer than what was read."""
        for digest, known in before.items():
            if self._known.get(digest) is known:
                if digest in now:
                    self._known[digest] = now[digest]
                else:
                    del self._known[digest]


def _add(memory: OrderedDict[_Name, _Value], name: _Name, value: _Value, most: int) -> None:
    """Remember at most so many; the oldest goes."""
    memory[name] = value
    if len(memory) > most:
        memory.popitem(last=False)
