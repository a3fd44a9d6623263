"""The composition root: a fleet and an engines' address in, an ASGI application out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.spec import Fleet
from router.api import Api, refused
from router.backends.target import targets_of
from router.decide.policy import Policy
from router.decide.scorer import ByLength
from router.gateway import Gateway
from router.observe.events import Event
from router.observe.log import JsonLog
from router.observe.metrics import Metrics
from router.server import Door
from router.wire.endpoints import ENDPOINTS
from router.wire.errors import Refusal


def build(fleet: Fleet, engines: str, log: JsonLog | None = None) -> ASGIApp:
    """The gateway as an ASGI application.

    ``engines`` is the base address of the engines that Freehold starts, with ``{model}`` in it, such as
    ``http://127.0.0.1:8000/{model}``. Only :class:`router.server.Protocol` serves it: it needs to learn at once when a
    client has gone.
    """
    log = log or JsonLog(sys.stderr.buffer)
    metrics = Metrics()
    targets = targets_of(fleet, engines)
    policy = Policy(fleet, ByLength(fleet.routing))

    def tell(event: Event) -> None:
        metrics(event)
        log(event)

    gateway = Gateway(fleet, targets, policy, tell)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        log.gather(asyncio.get_running_loop())
        yield {"door": Door(fleet.gateway.deadlines.client, fleet.gateway.limits.connections)}
        for target in targets.values():
            target.close()
        log.gather(None)

    api = Api(fleet, targets, policy, gateway, metrics)
    rest = Starlette(routes=api.routes(), exception_handlers={HTTPException: _http_error}, lifespan=lifespan)

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        """Generating endpoints go straight to the gateway; a framework's routing would cost more than the decision."""
        endpoint = ENDPOINTS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is not None:
            await gateway.answer(endpoint, scope, receive, send)
        else:
            await rest(scope, receive, send)

    return ServerErrorMiddleware(dispatch, handler=_unexpected)


def _http_error(request: HttpRequest, error: Exception) -> Response:
    """No such path, or a method that it does not have."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 405 or request.url.path in ENDPOINTS:  # noqa: PLR2004
        return refused(Refusal(405, f"{request.method} is not allowed here.", code="method_not_allowed"))
    return refused(Refusal(status, f"There is nothing at {request.url.path[:200]}; see /docs.", code="not_found"))


def _unexpected(_: HttpRequest, error: Exception) -> Response:
    """A mistake of ours; the log has it, the caller gets no detail of it."""
    return refused(Refusal(500, f"Internal error ({type(error).__name__}).", code="internal_error"))
