"""The routes of the admin API. Everything here answers JSON, and errors in OpenAI's shape."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from cluster.spec import Fleet
from cluster.spec.base import NAME_PATTERN
from router.accounts.errors import StoreUnavailableError
from router.accounts.facts import Principal
from router.accounts.forget import forget
from router.accounts.issued import KeyRegister
from router.accounts.pepper import Pepper
from router.accounts.secret import ID_PATTERN
from router.accounts.store import Store
from router.accounts.tenants import TenantRegister, no_tenant
from router.admin.bodies import NewKey, NewTenant, Rotation, TenantChange, check_reset, key_card, parsed, tenant_card
from router.api import Json, bounded_body, refused
from router.wire.errors import Refusal

MOST_IN_A_PAGE = 1000
_BODY_BYTES = 64 << 10
_RETRY_S = 5
_NO_STORE = {"cache-control": "no-store"}

Answer = Mapping[str, Any]
Step = Callable[[Request], Awaitable[Answer]]

_log = logging.getLogger(__name__)


def admin_routes(fleet: Fleet, store: Store, pepper: Pepper) -> list[Route]:
    """Every route, for Starlette; they must stand behind a :class:`router.guard.Guard`."""
    admin = _Admin(fleet, store, pepper)
    table: tuple[tuple[str, str, Step], ...] = (
        ("GET", "/admin/tenants", admin.tenants),
        ("POST", "/admin/tenants", admin.create_tenant),
        ("GET", "/admin/tenants/{tenant}", admin.tenant),
        ("PATCH", "/admin/tenants/{tenant}", admin.change_tenant),
        ("DELETE", "/admin/tenants/{tenant}", admin.delete_tenant),
        ("GET", "/admin/keys", admin.keys),
        ("POST", "/admin/keys", admin.create_key),
        ("GET", "/admin/keys/{key}", admin.key),
        ("POST", "/admin/keys/{key}/rotate", admin.rotate_key),
        ("DELETE", "/admin/keys/{key}", admin.revoke_key),
    )
    return [Route(path, _answered(step), methods=[method]) for method, path, step in table]


def _answered(step: Step) -> Callable[[Request], Awaitable[Response]]:
    """The one place where errors become answers."""

    async def answer(request: Request) -> Response:
        try:
            return Json(await step(request), headers=_NO_STORE)
        except Refusal as refusal:
            return refused(refusal)
        except StoreUnavailableError:
            msg = "The database is away; nothing is known of what was under way. Ask again."
            return refused(Refusal(503, msg, code="accounts_unavailable", retry_after=_RETRY_S))

    return answer


class _Admin:
    """The steps behind the routes."""

    def __init__(self, fleet: Fleet, store: Store, pepper: Pepper) -> None:
        self._fleet, self._store = fleet, store
        self._tenants = TenantRegister(store, fleet.tenants)
        self._keys = KeyRegister(store, pepper)

    # -- tenants ----------------------------------------------------------------------------------------------------

    async def tenants(self, request: Request) -> Answer:
        limit = _limit(request)
        found = await self._tenants.page(_named(request, "after", NAME_PATTERN) or "", limit)
        return _page([tenant_card(tenant) for tenant in found], limit)

    async def create_tenant(self, request: Request) -> Answer:
        body = parsed(NewTenant, await bounded_body(request, _BODY_BYTES))
        tenant = await self._tenants.create(body.name, body.plan, body.overrides)
        _tell(request, "created tenant", tenant.name)
        return tenant_card(tenant)

    async def tenant(self, request: Request) -> Answer:
        return tenant_card(await self._tenants.find(_tenant(request)))

    async def change_tenant(self, request: Request) -> Answer:
        body = parsed(TenantChange, await bounded_body(request, _BODY_BYTES))
        check_reset(body.reset)
        tenant = await self._tenants.change(_tenant(request), body.plan, body.overrides, body.reset)
        _tell(request, "changed tenant", tenant.name)
        return tenant_card(tenant)

    async def delete_tenant(self, request: Request) -> Answer:
        name = _tenant(request)
        removed = await forget(self._store, name)
        _tell(request, "deleted tenant", name)
        return {"object": "tenant.deleted", "name": name, "removed": removed}

    # -- keys -------------------------------------------------------------------------------------------------------

    async def keys(self, request: Request) -> Answer:
        limit, after = _limit(request), _named(request, "after", ID_PATTERN) or ""
        found = await self._keys.page(_named(request, "tenant", NAME_PATTERN), after, limit)
        return _page([key_card(key) for key in found], limit)

    async def create_key(self, request: Request) -> Answer:
        body = parsed(NewKey, await bounded_body(request, _BODY_BYTES))
        new, issued = await self._keys.create(body.wanted(self._fleet))
        _tell(request, "created key", issued.id)
        return {**key_card(issued), "key": new.text}

    async def key(self, request: Request) -> Answer:
        return key_card(await self._keys.find(_key(request)))

    async def rotate_key(self, request: Request) -> Answer:
        body = parsed(Rotation, await bounded_body(request, _BODY_BYTES))
        new, issued, old = await self._keys.rotate(_key(request), body.overlap_seconds)
        _tell(request, f"rotated key {old.id} to", issued.id)
        return {**key_card(issued), "key": new.text, "replaces": key_card(old)}

    async def revoke_key(self, request: Request) -> Answer:
        issued = await self._keys.revoke(_key(request))
        _tell(request, "revoked key", issued.id)
        return key_card(issued)


def _tell(request: Request, done: str, what: str) -> None:
    """Every change is in the log, with the key that made it."""
    by: Principal = request.state.principal
    _log.info("%s %s, by key %s", done, what, by.key_id)


def _page(cards: list[Answer], limit: int) -> Answer:
    return {"object": "list", "data": cards, "has_more": len(cards) == limit}


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", str(MOST_IN_A_PAGE))
    if not re.fullmatch("[0-9]{1,4}", given, re.ASCII) or not 1 <= int(given) <= MOST_IN_A_PAGE:
        raise Refusal(400, f"limit must be 1 to {MOST_IN_A_PAGE}.", param="limit", code="invalid_request")
    return int(given)


def _named(request: Request, parameter: str, pattern: str) -> str | None:
    """A name in the query; what cannot be one never reaches the database."""
    given: str | None = request.query_params.get(parameter)
    if given is not None and re.fullmatch(pattern, given) is None:
        raise Refusal(400, f"{parameter} is not a name.", param=parameter, code="invalid_request")
    return given


def _tenant(request: Request) -> str:
    name: str = request.path_params["tenant"]
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise no_tenant(name)
    return name


def _key(request: Request) -> str:
    key_id: str = request.path_params["key"]
    if re.fullmatch(ID_PATTERN, key_id) is None:
        raise Refusal(404, "There is no such key; GET /admin/keys lists them.", param="key", code="key_not_found")
    return key_id
