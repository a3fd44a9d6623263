"""Several gateways' quotas in one process, on one real database, with a clock that stands still."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Self

from sqlalchemy import text

from cluster.spec import Plan
from router.accounts.allowance import Hold
from router.accounts.facts import Principal, Scope
from router.accounts.leases import settle_quotas
from router.accounts.quota import Quotas
from router.accounts.store import Store
from router.wire.errors import Refusal
from tests.router.accounts.stopped import StoppedClock

_WINDOW = text("""
    SELECT coalesce(sum(used), 0) AS used, coalesce(sum(leased), 0) AS leased, (
        SELECT coalesce(sum(amount), 0) FROM quota_leases
        WHERE tenant = :tenant AND kind = :kind AND window_start = :start
    ) AS of_leases
    FROM quota_windows WHERE tenant = :tenant AND kind = :kind AND window_start = :start
""")
_numbers = itertools.count(1)


def principal(tenant: str = "acme", /, **limits: float | None) -> Principal:
    """A caller whose plan has these limits and no others."""
    return Principal(tenant, "key1", Scope(), Plan.model_validate(limits))


class Member:
    """One gateway of a team."""

    def __init__(self, store: Store, quotas: Quotas, name: str) -> None:
        """Made by :meth:`Team.join`."""
        self.store, self.quotas, self.name = store, quotas, name

    @property
    def supply(self) -> object:
        """What it leases; tests of the background look inside."""
        return self.quotas._supply

    async def take(self, who: Principal, tokens: int = 0) -> Hold | Refusal:
        """The full path, with a refusal as its result."""
        try:
            return await self.quotas.take(who, tokens=tokens)
        except Refusal as refusal:
            return refusal

    async def admits(self, who: Principal, tokens: int = 0) -> bool:
        """Whether a request is admitted; it then stays under way."""
        return isinstance(await self.take(who, tokens), Hold)

    async def settle(self, who: Principal, hold: Hold, messages: int = 1, tokens: int = 0) -> None:
        """End a request as the ledger's group commit does."""
        uses = [(who.tenant, used) for used in hold.used(messages, tokens)]
        async with self.store.begin() as connection:
            await settle_quotas(connection, self.name, uses)

    async def beat(self) -> None:
        """Show a sign of life."""
        await self.quotas._presence.beat()


class Team:
    """``async with Team(database) as team`` has one gateway a number."""

    def __init__(self, database: str, gateways: int = 2, connections: int = 2) -> None:
        """Stop the database's clock."""
        self.clock = StoppedClock(database)
        self._database, self._gateways, self._connections = database, gateways, connections
        self.members: list[Member] = []

    async def __aenter__(self) -> Self:
        """Connect and register."""
        for _ in range(self._gateways):
            self.members.append(await self.join())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Let go of everything."""
        for member in self.members:
            await member.quotas._supply.quiet()
            await member.store.close()
        self.clock.close()

    async def join(self) -> Member:
        """One more gateway."""
        name = f"gateway{next(_numbers)}"
        store = await Store.open(self._database, self._connections)
        quotas = await Quotas.open(store, name, self.clock)
        quotas.recall_s, quotas.recheck_s = 30.0, 0.0
        return Member(store, quotas, name)

    async def tenants(self, *names: str) -> None:
        """Make tenants."""
        async with self.members[0].store.begin() as connection:
            for name in names:
                await connection.execute(text("INSERT INTO tenants (name, plan) VALUES (:name, 'p')"), {"name": name})

    async def pass_time(self, seconds: float, without: Iterable[Member] = ()) -> None:
        """Let time pass, in steps of a beat, for everybody but some."""
        while seconds > 0:
            step = min(3.0, seconds)
            self.clock.advance(step)
            seconds -= step
            for member in self.members:
                if member not in without:
                    await member.beat()

    async def jump(self, seconds: float) -> None:
        """Let much time pass at once, as an outage of the database would."""
        self.clock.advance(seconds)
        for member in self.members:
            member.quotas._presence._forget_others()
        for member in self.members:
            await member.beat()

    async def window(self, tenant: str, kind: str, start: datetime) -> tuple[int, int, int]:
        """Used, leased, and the sum of the leases of one window."""
        which = {"tenant": tenant, "kind": kind, "start": start}
        async with self.members[0].store.begin() as connection:
            row = (await connection.execute(_WINDOW, which)).one()
        return row.used, row.leased, row.of_leases

    async def windows(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Used and leased of every window, by tenant and kind."""
        async with self.members[0].store.begin() as connection:
            rows = (await connection.execute(text("SELECT tenant, kind, used, leased FROM quota_windows"))).all()
        return {(row.tenant, row.kind): (row.used, row.leased) for row in rows}
