"""The routes of the admin API. Everything here answers JSON, and errors in OpenAI's shape."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.routing import Route

from cluster.spec import Fleet
from router.accounts.facts import Principal
from router.accounts.forget import forget
from router.accounts.issued import KeyRegister
from router.accounts.pepper import Pepper
from router.accounts.store import Store
from router.accounts.tenants import TenantRegister
from router.admin.answers import (
    Answer,
    Step,
    answered,
    key_in_path,
    key_in_query,
    limit_of,
    page,
    tenant_in_path,
    tenant_in_query,
)
from router.admin.bodies import NewKey, NewTenant, Rotation, TenantChange, check_reset, key_card, parsed, tenant_card
from router.admin.quality import QualitySteps
from router.admin.report import ReportSteps
from router.admin.usage import UsageSteps
from router.api import bounded_body

_BODY_BYTES = 64 << 10

_log = logging.getLogger(__name__)


def admin_routes(fleet: Fleet, store: Store, pepper: Pepper) -> list[Route]:
    """Every route, for Starlette; they must stand behind a :class:`router.guard.Guard`."""
    admin, usage, quality = _Admin(fleet, store, pepper), UsageSteps(store, pepper), QualitySteps(fleet, store, pepper)
    report = ReportSteps(fleet, store)
    table: tuple[tuple[str, str, Step], ...] = (
        ("GET", "/admin/tenants", admin.tenants),
        ("POST", "/admin/tenants", admin.create_tenant),
        ("GET", "/admin/tenants/{tenant}", admin.tenant),
        ("PATCH", "/admin/tenants/{tenant}", admin.change_tenant),
        ("DELETE", "/admin/tenants/{tenant}", admin.delete_tenant),
        ("GET", "/admin/tenants/{tenant}/export", usage.export),
        ("GET", "/admin/keys", admin.keys),
        ("POST", "/admin/keys", admin.create_key),
        ("GET", "/admin/keys/{key}", admin.key),
        ("POST", "/admin/keys/{key}/rotate", admin.rotate_key),
        ("DELETE", "/admin/keys/{key}", admin.revoke_key),
        ("GET", "/admin/usage", usage.of_all),
        ("GET", "/admin/egress", usage.egress),
        ("GET", "/admin/quality", quality.report),
        ("GET", "/admin/report", report.month),
        ("GET", "/admin/labels", quality.labels),
        ("GET", "/admin/router", quality.router),
        ("POST", "/admin/router", quality.promote),
        ("POST", "/admin/router/rollback", quality.roll_back),
        ("POST", "/v1/feedback", quality.feedback),
        ("GET", "/v1/usage", usage.own),
    )
    return [Route(path, answered(step), methods=[method]) for method, path, step in table]


class _Admin:
    """The steps behind the routes."""

    def __init__(self, fleet: Fleet, store: Store, pepper: Pepper) -> None:
        self._fleet, self._store = fleet, store
        self._tenants = TenantRegister(store, fleet.tenants)
        self._keys = KeyRegister(store, pepper)

    # -- tenants ----------------------------------------------------------------------------------------------------

    async def tenants(self, request: Request) -> Answer:
        limit = limit_of(request)
        found = await self._tenants.page(tenant_in_query(request, "after") or "", limit)
        return page([tenant_card(tenant) for tenant in found], limit)

    async def create_tenant(self, request: Request) -> Answer:
        body = parsed(NewTenant, await bounded_body(request, _BODY_BYTES))
        tenant = await self._tenants.create(body.name, body.plan, body.overrides)
        _tell(request, "created tenant", tenant.name)
        return tenant_card(tenant)

    async def tenant(self, request: Request) -> Answer:
        return tenant_card(await self._tenants.find(tenant_in_path(request)))

    async def change_tenant(self, request: Request) -> Answer:
        body = parsed(TenantChange, await bounded_body(request, _BODY_BYTES))
        check_reset(body.reset)
        tenant = await self._tenants.change(tenant_in_path(request), body.plan, body.overrides, body.reset)
        _tell(request, "changed tenant", tenant.name)
        return tenant_card(tenant)

    async def delete_tenant(self, request: Request) -> Answer:
        name = tenant_in_path(request)
        removed = await forget(self._store, name)
        _tell(request, "deleted tenant", name)
        return {"object": "tenant.deleted", "name": name, "removed": removed}

    # -- keys -------------------------------------------------------------------------------------------------------

    async def keys(self, request: Request) -> Answer:
        limit, after = limit_of(request), key_in_query(request, "after") or ""
        found = await self._keys.page(tenant_in_query(request), after, limit)
        return page([key_card(key) for key in found], limit)

    async def create_key(self, request: Request) -> Answer:
        body = parsed(NewKey, await bounded_body(request, _BODY_BYTES))
        new, issued = await self._keys.create(body.wanted(self._fleet))
        _tell(request, "created key", issued.id)
        return {**key_card(issued), "key": new.text}

    async def key(self, request: Request) -> Answer:
        return key_card(await self._keys.find(key_in_path(request)))

    async def rotate_key(self, request: Request) -> Answer:
        body = parsed(Rotation, await bounded_body(request, _BODY_BYTES))
        new, issued, old = await self._keys.rotate(key_in_path(request), body.overlap_seconds)
        _tell(request, f"rotated key {old.id} to", issued.id)
        return {**key_card(issued), "key": new.text, "replaces": key_card(old)}

    async def revoke_key(self, request: Request) -> Answer:
        issued = await self._keys.revoke(key_in_path(request))
        _tell(request, "revoked key", issued.id)
        return key_card(issued)


def _tell(request: Request, done: str, what: str) -> None:
    """Every change is in the log, with the key that made it."""
    by: Principal = request.state.principal
    _log.info("%s %s, by key %s", done, what, by.key_id)
