"""The first start: an admin key, so that there is someone who can make others."""

from __future__ import annotations

import secrets
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.errors import StartError
from cluster.spec.tenants import Plan, Tenants
from router.accounts.issued import Wanted, has_admin, insert_key, lock_admins
from router.accounts.pepper import Pepper, write_secret
from router.accounts.store import Store
from router.accounts.tables import keys
from router.accounts.tenants import ensure_tenant

ADMIN = "admin"
"""The tenant that the first key belongs to."""
_UNLIMITED = Plan().model_dump(mode="json", exclude={"priority", "egress", "regions", "usd_per_day", "usd_per_month"})
"""Whoever runs the fleet may use all of it; money and what leaves the site stay as the default plan has them."""


async def first_admin_key(store: Store, pepper: Pepper, spec: Tenants, home: Path) -> Path | None:
    """Make an admin key where the database has no usable one, however many gateways start at once.

    Returns the file that holds it, ``home/admin.key``, readable by its owner alone; None when there was nothing to do.

    Raises:
        StartError: the keys in the database were made under another pepper, so no one could come in.

    """
    async with store.begin() as connection:
        await lock_admins(connection)
        await _same_pepper(connection, pepper)
        if await has_admin(connection):
            return None
        await ensure_tenant(connection, ADMIN, spec.default_plan, _UNLIMITED)
        new = await insert_key(connection, pepper, Wanted(ADMIN, "made at the first start", admin=True))
        file = home / "admin.key"
        write_secret(fresh := home / f".admin.key-{secrets.token_hex(8)}", new.text)
        fresh.replace(file)  # before the commit: a file without its key is mended by the next start
    return file


async def _same_pepper(connection: AsyncConnection, pepper: Pepper) -> None:
    ours = func.count().filter(keys.c.pepper == pepper.fingerprint)
    row = (await connection.execute(select(ours, func.count()).where(keys.c.revoked_at.is_(None)))).one()
    if row[1] and not row[0]:
        msg = (
            "the keys in the database were made under another pepper; give this gateway theirs: "
            "FREEHOLD_PEPPER, or the file pepper from the FREEHOLD_HOME that made them"
        )
        raise StartError(msg)
