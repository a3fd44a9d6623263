"""The gateway's routes behind their door: the real server, the real database, on a free port in the test's own loop."""

from __future__ import annotations

import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import uvicorn
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.spec import Fleet
from cluster.spec.tenants import Tenants
from router.admin import admin_routes
from router.api import Api, refused
from router.backends.target import targets_of
from router.decide.policy import Policy
from router.decide.scorer import ByLength
from router.gateway import Gateway
from router.guard import Guard
from router.observe.log import JsonLog
from router.observe.metrics import Metrics
from router.server import Door, config
from router.wire.endpoints import ENDPOINTS
from router.wire.errors import Refusal
from tests.router.accounts.reception import PEPPER, SPEC, Reception
from tests.router.client import Client, Response
from tests.router.gateway import fleet_of

NOWHERE = "http://127.0.0.1:9"


class Office:
    """``async with Office(reception)`` serves; requests are made with a key."""

    def __init__(self, reception: Reception, spec: Tenants = SPEC) -> None:
        """Nothing listens yet."""
        self.reception = reception
        self.fleet = fleet_of(NOWHERE, NOWHERE, NOWHERE).model_copy(update={"tenants": spec})
        self.out = io.BytesIO()
        self.routes = _routes(self.fleet, reception)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(config(self._app(), 1))

    def _app(self) -> ASGIApp:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
            yield {"door": Door(5.0, 100)}

        rest = Guard(Starlette(routes=self.routes, lifespan=lifespan), self.reception.door)

        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            endpoint = ENDPOINTS.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
            if endpoint is None:
                await rest(scope, receive, send)
                return
            try:
                await self.reception.door.admit(scope, endpoint.kind.value)
            except Refusal as refusal:
                await refused(refusal)(scope, receive, send)
            else:
                await PlainTextResponse("an answer")(scope, receive, send)

        return dispatch

    async def __aenter__(self) -> Self:
        """Listen."""
        settings = self._server.config
        settings.load()
        self._server.lifespan = settings.lifespan_class(settings)
        await self._server.startup([self._socket])
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take it down at once."""
        for listener in self._server.servers:
            listener.close()
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        await self._server.lifespan.shutdown()

    async def ask(self, method: str, path: str, key: str = "", body: object = b"", **headers: str) -> Response:
        """One request on a connection of its own."""
        if key:
            headers["authorization"] = f"Bearer {key}"
        async with Client(self.port) as client:
            client.ask(path, body, method=method, **headers)
            return await client.head() if method == "HEAD" else await client.response()


def _routes(fleet: Fleet, reception: Reception) -> list[Route]:
    targets = targets_of(fleet, NOWHERE)
    policy = Policy(fleet, ByLength(fleet.routing))
    metrics = Metrics()
    api = Api(fleet, targets, policy, Gateway(fleet, targets, policy, JsonLog(io.BytesIO())), metrics)
    return [*api.routes(), *admin_routes(fleet, reception.store, PEPPER)]
