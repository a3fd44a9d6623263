"""The routes that tell what was used: of the caller's own tenant to anyone in it, of all to admins."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import date

from starlette.requests import Request
from starlette.responses import StreamingResponse

from router.accounts.export import export
from router.accounts.facts import Principal
from router.accounts.pepper import Pepper
from router.accounts.period import Period
from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.accounts.tenants import no_tenant
from router.accounts.trail import left
from router.accounts.usage import HEADINGS, total, usage
from router.admin.answers import Answer, tenant_in_path, tenant_in_query
from router.wire.errors import Refusal


class UsageSteps:
    """The steps behind the routes."""

    def __init__(self, store: Store, pepper: Pepper) -> None:
        """Everything is read from ``store``; sealed prompts open with ``pepper``."""
        self._store, self._sealer = store, Sealer(pepper)

    async def own(self, request: Request) -> Answer:
        """``GET /v1/usage``: what the caller's tenant used; another's is refused, also to admins."""
        caller: Principal = request.state.principal
        if tenant_in_query(request) not in {None, caller.tenant}:
            msg = "This tells of your own tenant alone; GET /admin/usage, with an admin key, of others."
            raise Refusal(403, msg, param="tenant", code="not_your_tenant")
        return await self._of(request, caller.tenant)

    async def of_all(self, request: Request) -> Answer:
        """``GET /admin/usage``: of every tenant, or of the one that is named."""
        return await self._of(request, tenant_in_query(request))

    async def _of(self, request: Request, tenant: str | None) -> Answer:
        by = request.query_params.get("by", "day")
        if by not in HEADINGS:
            raise Refusal(400, f"by: one of {', '.join(HEADINGS)}.", param="by", code="invalid_request")
        rows = await usage(self._store, by, tenant, period_in_query(request))
        cards = [row._asdict() for row in rows]
        return {"object": "list", "by": by, "tenant": tenant, "data": cards, "total": total(rows)._asdict()}

    async def egress(self, request: Request) -> Answer:
        """``GET /admin/egress``: what left the site, by day, tenant, model and reason."""
        rows = await left(self._store, tenant_in_query(request), period_in_query(request))
        total = {"requests": sum(row.requests for row in rows), "bytes": sum(row.bytes for row in rows)}
        return {"object": "list", "data": [row._asdict() for row in rows], "total": total}

    async def export(self, request: Request) -> Answer:
        """``GET /admin/tenants/{tenant}/export``: all that is kept of a tenant, in lines of JSON.

        An answer that breaks off, because the database went away, ends without HTTP's ending.
        """
        name = tenant_in_path(request)
        lines = export(self._store, name, self._sealer)
        first = await anext(lines, None)
        if first is None:
            raise no_tenant(name)
        return StreamingResponse(_whole(first, lines), media_type="application/x-ndjson")


async def _whole(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    if isinstance(rest, AsyncGenerator):
        async with aclosing(rest):
            async for lines in rest:
                yield lines


def period_in_query(request: Request) -> Period:
    """``since`` and ``until`` in the query."""
    return Period(_day(request, "since"), _day(request, "until"))


def _day(request: Request, parameter: str) -> date | None:
    """A day in the query, UTC."""
    given = request.query_params.get(parameter)
    if given is None:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        msg = f"{parameter}: a day like 2026-11-21."
        raise Refusal(400, msg, param=parameter, code="invalid_request") from None
