"""The register of keys: made, listed, rotated, revoked. What a gateway knows of them is :mod:`router.accounts.keys`.

Invariant: of a key the database has its digest and never its text; one usable admin key is always left.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, case, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from router.accounts.channels import KEYS, notice
from router.accounts.pepper import Pepper
from router.accounts.secret import NewKey, make_key
from router.accounts.store import Store
from router.accounts.tables import keys, tenants
from router.accounts.tenants import no_tenant
from router.wire.errors import Refusal

ADMIN_LOCK = 0x66682D61646D696E
"""PostgreSQL's advisory lock of that number."""


class Wanted(NamedTuple):
    """A key to be made. Empty tuples allow all that the tenant's plan does."""

    tenant: str
    label: str = ""
    admin: bool = False
    models: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    expires_in_seconds: int | None = None


class Issued(NamedTuple):
    """A key as the register shows it."""

    id: str
    tenant: str
    label: str
    admin: bool
    models: tuple[str, ...]
    tiers: tuple[str, ...]
    endpoints: tuple[str, ...]
    networks: tuple[str, ...]
    state: str
    """``active``, ``expired`` or ``revoked``."""
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyRegister:
    """Keys in the database; every change reaches all gateways by a notice."""

    def __init__(self, store: Store, pepper: Pepper) -> None:
        """Digests are made under ``pepper``."""
        self._store, self._pepper = store, pepper

    async def create(self, wanted: Wanted) -> tuple[NewKey, Issued]:
        """A new key of an existing tenant; Refusal 404 without one."""
        async with self._store.begin() as connection:
            there = select(tenants.c.name).where(tenants.c.name == wanted.tenant).with_for_update(key_share=True)
            if (await connection.execute(there)).first() is None:
                raise no_tenant(wanted.tenant)
            new = await insert_key(connection, self._pepper, wanted)
            return new, await _read(connection, new.id)

    async def page(self, tenant: str | None, after: str, limit: int) -> list[Issued]:
        """Up to ``limit`` keys by id, those after ``after``; of one tenant, or of all."""
        statement = _rows().where(keys.c.id > after).order_by(keys.c.id).limit(limit)
        if tenant is not None:
            statement = statement.where(keys.c.tenant == tenant)
        async with self._store.begin() as connection:
            return [_issued(row) for row in await connection.execute(statement)]

    async def find(self, key_id: str) -> Issued:
        """One key; Refusal 404 where there is none."""
        async with self._store.begin() as connection:
            return await _read(connection, key_id)

    async def rotate(self, key_id: str, overlap_seconds: int) -> tuple[NewKey, Issued, Issued]:
        """A new key that may do the same, and the old one, good for ``overlap_seconds`` more or, with 0, no longer.

        Raises:
            Refusal: 404, or 409 for a key that is not active.

        """
        async with self._store.begin() as connection:
            await connection.execute(select(keys.c.id).where(keys.c.id == key_id).with_for_update())
            old = await _read(connection, key_id)
            if old.state != "active":
                msg = f"The key {key_id} is {old.state}; create a new one."
                raise Refusal(409, msg, param="key", code="key_not_active")
            new = await _copy(connection, self._pepper, key_id)
            await connection.execute(_ended(key_id, overlap_seconds))
            await connection.execute(notice(KEYS, key_id))
            return new, await _read(connection, new.id), await _read(connection, key_id)

    async def revoke(self, key_id: str) -> Issued:
        """End a key now; again is no error.

        Raises:
            Refusal: 404, or 409 for the last admin key.

        """
        async with self._store.begin() as connection:
            async with keeping_an_admin(connection):
                await connection.execute(_ended(key_id, 0))
            await connection.execute(notice(KEYS, key_id))
            return await _read(connection, key_id)


async def insert_key(connection: AsyncConnection, pepper: Pepper, wanted: Wanted) -> NewKey:
    """Make a key and store its digest, in the transaction of ``connection``."""
    new = make_key(pepper)
    scope = {field: list(getattr(wanted, field)) for field in ("models", "tiers", "endpoints", "networks")}
    ends = None if wanted.expires_in_seconds is None else func.now() + _seconds(wanted.expires_in_seconds)
    row = {"tenant": wanted.tenant, "label": wanted.label, "admin": wanted.admin, **scope, "expires_at": ends}
    await connection.execute(insert(keys).values(**_identity(new, pepper), **row))
    await connection.execute(notice(KEYS, new.id))
    return new


@asynccontextmanager
async def keeping_an_admin(connection: AsyncConnection) -> AsyncIterator[None]:
    """Refuse (409) when the block takes away the last usable admin key, also when two do so at once."""
    await lock_admins(connection)
    before = await has_admin(connection)
    yield
    if before and not await has_admin(connection):
        msg = "This would leave no usable admin key; create another one first, or rotate this one."
        raise Refusal(409, msg, code="last_admin_key")


async def has_admin(connection: AsyncConnection) -> bool:
    """Whether an active admin key exists."""
    return bool(await connection.scalar(select(select(keys.c.id).where(keys.c.admin, _STATE == "active").exists())))


async def lock_admins(connection: AsyncConnection) -> None:
    """Until the transaction ends, nobody else takes an admin key away, or makes the first."""
    await connection.execute(select(func.pg_advisory_xact_lock(ADMIN_LOCK)))


async def _copy(connection: AsyncConnection, pepper: Pepper, key_id: str) -> NewKey:
    """A new key with the scope of another, its own end included."""
    new = make_key(pepper)
    same = ("tenant", "label", "admin", "models", "tiers", "endpoints", "networks", "expires_at")
    fresh = [literal(value, keys.c[name].type).label(name) for name, value in _identity(new, pepper).items()]
    source = select(*fresh, *(keys.c[name] for name in same)).where(keys.c.id == key_id)
    await connection.execute(insert(keys).from_select([*_identity(new, pepper), *same], source))
    await connection.execute(notice(KEYS, new.id))
    return new


def _identity(new: NewKey, pepper: Pepper) -> dict[str, str | bytes]:
    return {"id": new.id, "digest": new.digest, "pepper": pepper.fingerprint}


def _ended(key_id: str, overlap_seconds: int) -> Any:  # noqa: ANN401 - an UPDATE, whose type says nothing more
    """The key ends now, or within ``overlap_seconds``; never later than it would have."""
    mine = update(keys).where(keys.c.id == key_id)
    if not overlap_seconds:
        return mine.values(revoked_at=func.coalesce(keys.c.revoked_at, func.now()))
    return mine.values(expires_at=func.least(keys.c.expires_at, func.now() + _seconds(overlap_seconds)))


def _seconds(count: int) -> Any:  # noqa: ANN401 - an interval, for which SQLAlchemy's functions have no type
    return func.make_interval(0, 0, 0, 0, 0, 0, count)


async def _read(connection: AsyncConnection, key_id: str) -> Issued:
    row = (await connection.execute(_rows().where(keys.c.id == key_id))).first()
    if row is None:
        raise Refusal(404, f"There is no key {key_id[:80]!r}.", param="key", code="key_not_found")
    return _issued(row)


_STATE = case(
    (keys.c.revoked_at.is_not(None), "revoked"),
    (keys.c.expires_at <= func.now(), "expired"),
    else_="active",
)


def _rows() -> Select[Any]:
    return select(keys, _STATE.label("state"))


def _issued(row: Row[Any]) -> Issued:
    networks = tuple(map(str, row.networks))
    scope = (tuple(row.models), tuple(row.tiers), tuple(row.endpoints), networks)
    ends = (row.created_at, row.expires_at, row.revoked_at)
    return Issued(row.id, row.tenant, row.label, row.admin, *scope, row.state, *ends)
