"""The composition root: a fleet and an engines' address in, an ASGI application out."""

from __future__ import annotations

import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.errors import StartError
from cluster.spec import Fleet
from router.admin import admin_routes
from router.admin.described import with_accounts
from router.api import Api, refused
from router.backends.health import Health
from router.backends.targets import targets_of, watches_of
from router.decide.pins import Pins
from router.decide.policy import Policy
from router.decide.spill import difficulty_by
from router.desk import OPEN_DESK, Desk
from router.gateway import Gateway
from router.guard import Guard
from router.learn.promoted import learnt
from router.observe.events import Event
from router.observe.log import JsonLog
from router.observe.metrics import Metrics, shared
from router.opening import Archive, Opened, opened
from router.page import Lookout, page_routes
from router.purse import Purse
from router.quality.watching import Site, watching
from router.server import Door
from router.wire.endpoints import ENDPOINTS
from router.wire.errors import Refusal

_LOOK_S = 1.0
_log = logging.getLogger(__name__)


def build(
    fleet: Fleet,
    engines: str,
    log: JsonLog | None = None,
    archive: Archive | None = None,
    home: Path | None = None,
) -> ASGIApp:
    """The gateway as an ASGI application.

    ``engines`` is the base address of the engines that Freehold starts, with ``{model}`` in it, such as
    ``http://127.0.0.1:8000/{model}``; ``archive`` is where accounts are kept, for ``tenants.access: keys``; ``home`` is
    the fleet's directory, where a promoted router lies and the number of replicas is told. Only
    :class:`router.server.Protocol` serves it: it needs to learn at once when a client has gone.
    """
    if fleet.tenants.access == "keys" and archive is None:
        msg = "tenants.access: keys needs a database; set FREEHOLD_DATABASE_URL, or start the gateway with freehold up"
        raise StartError(msg)
    fleet = fleet.spread()
    archive = archive if fleet.tenants.access == "keys" else None
    app = _App(fleet, engines, log or JsonLog(sys.stderr.buffer), archive, home)
    return ServerErrorMiddleware(app, handler=_unexpected)


class _App:
    """The parts, bound together; with accounts, everything stands behind their door."""

    def __init__(self, fleet: Fleet, engines: str, log: JsonLog, archive: Archive | None, home: Path | None) -> None:
        self._fleet, self._log, self._archive = fleet, log, archive
        known = learnt(fleet.routing, home)
        self._metrics = Metrics(fleet.tenants.in_metrics, fleet.slo)
        self._targets = targets_of(fleet, engines)
        pins = Pins(fleet.routing.conversations, secrets.token_bytes(32))
        self._policy = Policy(fleet, known.scorer, difficulty_by(known.scorer), pins)
        purse = Purse(fleet) if fleet.spillover.open_usd_per_day and archive is None else None
        if purse is not None:
            self._metrics.accounts.money(purse.left)
        if home is not None:
            self._metrics.count_replicas(home, fleet.models)
        self._lookout = Lookout(fleet, self._targets, home, purse)
        self._gateway = Gateway(fleet, self._targets, self._policy, self._tell, purse or OPEN_DESK)
        self._gateway.cascade.doubt = known.doubt
        self._api = Api(fleet, self._targets, self._gateway, self._metrics)
        handlers = {HTTPException: _http_error}
        routes = [*self._api.routes(), *page_routes(self._lookout)]
        self._starlette = Starlette(routes=routes, exception_handlers=handlers, lifespan=self._lifespan)
        self._starlette.router.redirect_slashes = False  # it would send clients to a host that they named
        self._rest: ASGIApp = self._starlette

    def _tell(self, event: Event) -> None:
        self._metrics(event)
        self._lookout.hour(event)
        self._log(event)

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[dict[str, Any]]:
        self._log.gather(asyncio.get_running_loop())
        dial, asked = self._policy.dial, self._fleet.routing.dials
        _log.log(logging.WARNING if asked and not dial.met else logging.INFO, "%s", dial.says)
        gateway = self._fleet.gateway
        async with AsyncExitStack() as stack:
            if self._archive is not None:
                accounts = await stack.enter_async_context(opened(self._fleet, self._archive, self._gateway.load))
                site = Site(self._fleet, self._targets, self._policy, self._tell, *self._archive)
                desk = await stack.enter_async_context(watching(site, accounts.books, accounts.pepper))
                self._let_in(accounts, desk)
            if gateway.probe_seconds:
                health = asyncio.create_task(Health(self._targets.values(), gateway.probe_seconds).run())
                stack.callback(health.cancel)
            for watch in watches_of(self._targets):
                stack.callback(asyncio.create_task(watch.run()).cancel)
            looking_out = asyncio.create_task(self._lookout.keep())
            stack.callback(looking_out.cancel)
            if shared():
                looking = asyncio.create_task(self._look())
                stack.callback(looking.cancel)
            yield {"door": Door(gateway.deadlines.client, gateway.limits.connections)}
        for target in self._targets.values():
            await target.close()
        self._log.gather(None)

    async def _look(self) -> None:
        """Keep the gauges fresh for when another worker is asked."""
        while True:
            self._metrics.look(self._targets.values())
            await asyncio.sleep(_LOOK_S)

    def _let_in(self, accounts: Opened, desk: Desk) -> None:
        """From now on, only those with a key."""
        offices = accounts.books.offices
        self._gateway.desk, self._lookout.store = desk, offices.store
        self._metrics.accounts.money(offices.budgets.remaining.left)
        self._metrics.accounts.ledger(offices.ledger.backlog)
        self._api.document = with_accounts(self._api.document)
        self._starlette.router.routes.extend(admin_routes(self._fleet, offices.store, accounts.pepper))
        self._rest = Guard(self._starlette, offices.door)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Generating endpoints go straight to the gateway; a framework's routing would cost more than the decision."""
        endpoint = ENDPOINTS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is not None:
            await self._gateway.answer(endpoint, scope, receive, send)
        else:
            await self._rest(scope, receive, send)


def _http_error(request: HttpRequest, error: Exception) -> Response:
    """No such path, or a method that it does not have."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    generates = request.url.path in ENDPOINTS
    if status == 405 or generates:  # noqa: PLR2004
        found = refused(Refusal(405, f"{request.method} is not allowed here.", code="method_not_allowed"))
        allow = getattr(error, "headers", None) or {}
        found.headers["allow"] = "POST" if generates else allow.get("Allow", "")
        return found
    return refused(Refusal(status, f"There is nothing at {request.url.path[:200]}; see /docs.", code="not_found"))


def _unexpected(_: HttpRequest, error: Exception) -> Response:
    """A mistake of ours; the log has it, the caller gets no detail of it."""
    return refused(Refusal(500, f"Internal error ({type(error).__name__}).", code="internal_error"))
