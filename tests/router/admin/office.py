"""The gateway with accounts: the real application on the real server with a real database, in the test's own loop."""

from __future__ import annotations

import io
import socket
from pathlib import Path
from typing import Any, Self

import uvicorn

from cluster.spec.tenants import Tenants
from router.app import build
from router.observe.log import JsonLog
from router.opening import Archive
from router.server import config
from tests.router.accounts.reception import PEPPER_HEX, SPEC
from tests.router.client import Client, Response
from tests.router.gateway import fleet_of

NOWHERE = "http://127.0.0.1:9"
"""No engine: who may come in is decided before one is asked."""


class Office:
    """``async with Office(database, home)`` serves; requests are made with a key."""

    def __init__(self, database: str, home: Path, spec: Tenants = SPEC) -> None:
        """Nothing listens yet; keys are those of every test's pepper."""
        self.out = io.BytesIO()
        (home / "pepper").write_text(PEPPER_HEX)
        (home / "pepper").chmod(0o600)
        fleet = fleet_of(NOWHERE, NOWHERE, NOWHERE).model_copy(update={"tenants": spec})
        self._log = JsonLog(self.out)
        self._app: Any = build(fleet, NOWHERE, self._log, Archive(database, home))
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(config(self._app, 1))

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Method and path of everything that the application has, looked up inside of it."""
        found = self._app.app._starlette.router.routes
        return [(method, route.path) for route in found for method in sorted(route.methods)]

    @property
    def log(self) -> bytes:
        """The gateway's log so far."""
        self._log.flush()
        return self.out.getvalue()

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
