"""The register of tenants: created, changed, shown. Deleting one is :mod:`router.accounts.forget`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, func, or_, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.spec import Plan
from cluster.spec.tenants import Tenants
from router.accounts.channels import TENANTS, notice
from router.accounts.plans import checked, effective
from router.accounts.store import Store
from router.accounts.tables import egress, keys, labels, ledger, tenants, usage_days
from router.wire.errors import Refusal


class Tenant(NamedTuple):
    """One tenant."""

    name: str
    plan: str
    overrides: Mapping[str, Any]
    """Fields of the plan that differ for this tenant."""
    effective: Plan
    """What holds."""
    keys: int
    """Not revoked, expired or not."""
    created_at: datetime


class TenantRegister:
    """Tenants in the database; every change reaches all gateways by a notice."""

    def __init__(self, store: Store, spec: Tenants) -> None:
        """``spec`` has the plans."""
        self._store, self._spec = store, spec

    async def create(self, name: str, plan: str | None, overrides: Mapping[str, Any]) -> Tenant:
        """A new tenant; the fleet's default plan where none is named.

        Raises:
            Refusal: 400 for the plan or an override, 409 where the name is taken or its rows are not all deleted yet.

        """
        plan = self._spec.default_plan if plan is None else plan
        fields = {"name": name, "plan": plan, "overrides": checked(self._spec, plan, overrides)}
        async with self._store.begin() as connection:
            if await _has_rows(connection, name):
                msg = f"The tenant {name} was deleted, but not all of its rows yet; delete it again first."
                raise Refusal(409, msg, param="name", code="tenant_not_forgotten")
            new = postgresql.insert(tenants).values(fields).on_conflict_do_nothing().returning(tenants.c.name)
            if (await connection.execute(new)).first() is None:
                msg = f"There is a tenant {name} already; change it instead."
                raise Refusal(409, msg, param="name", code="tenant_exists")
            await connection.execute(notice(TENANTS, name))
            return await self._read(connection, name)

    async def change(
        self,
        name: str,
        plan: str | None,
        overrides: Mapping[str, Any],
        reset: Sequence[str],
    ) -> Tenant:
        """Another plan, other overrides, or the plan's own value again for the fields in ``reset``.

        Raises:
            Refusal: 404, or 400 for the plan or an override.

        """
        async with self._store.begin() as connection:
            await connection.execute(select(tenants.c.name).where(tenants.c.name == name).with_for_update())
            now = await self._read(connection, name)
            kept = {field: value for field, value in now.overrides.items() if field not in reset}
            plan = now.plan if plan is None else plan
            fields = {"plan": plan, "overrides": checked(self._spec, plan, {**kept, **overrides})}
            await connection.execute(update(tenants).where(tenants.c.name == name).values(fields))
            await connection.execute(notice(TENANTS, name))
            return await self._read(connection, name)

    async def find(self, name: str) -> Tenant:
        """One tenant; Refusal 404 where there is none."""
        async with self._store.begin() as connection:
            return await self._read(connection, name)

    async def page(self, after: str, limit: int) -> list[Tenant]:
        """Up to ``limit`` tenants by name, those after ``after``."""
        statement = _rows().where(tenants.c.name > after).order_by(tenants.c.name).limit(limit)
        async with self._store.begin() as connection:
            return [self._tenant(row) for row in await connection.execute(statement)]

    async def _read(self, connection: AsyncConnection, name: str) -> Tenant:
        row = (await connection.execute(_rows().where(tenants.c.name == name))).first()
        if row is None:
            raise no_tenant(name)
        return self._tenant(row)

    def _tenant(self, row: Row[Any]) -> Tenant:
        plan = effective(self._spec, row.plan, row.overrides)
        return Tenant(row.name, row.plan, row.overrides, plan, row.keys, row.created_at)


async def ensure_tenant(
    connection: AsyncConnection, name: str, plan: str, overrides: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Make a tenant unless it is there."""
    await connection.execute(
        postgresql.insert(tenants).values(name=name, plan=plan, overrides=dict(overrides)).on_conflict_do_nothing(),
    )


def no_tenant(name: str) -> Refusal:
    """404."""
    return Refusal(404, f"There is no tenant {name[:80]!r}.", param="tenant", code="tenant_not_found")


def _rows() -> Select[Any]:
    living = select(func.count()).where(keys.c.tenant == tenants.c.name, keys.c.revoked_at.is_(None))
    return select(tenants, living.scalar_subquery().label("keys"))


async def _has_rows(connection: AsyncConnection, name: str) -> bool:
    """Whether anything is left of a tenant of this name that was deleted."""
    living = select(tenants.c.name).where(tenants.c.name == name)
    left = [
        select(table.c.tenant).where(table.c.tenant == name).exists() for table in (ledger, usage_days, egress, labels)
    ]
    return bool(await connection.scalar(select(or_(*left) & ~living.exists())))
