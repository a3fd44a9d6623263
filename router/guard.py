"""The door before everything that does not generate: no route behind it is reached without being let in."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from router.accounts.door import Doorkeeper
from router.api import refused
from router.wire.errors import Refusal


class Guard:
    """ASGI middleware; routes find who asks as ``request.state.principal`` (None where no key is needed)."""

    def __init__(self, app: ASGIApp, doorkeeper: Doorkeeper) -> None:
        """``app`` is what is behind the door."""
        self._app, self._doorkeeper = app, doorkeeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in or refuse."""
        if scope["type"] != "lifespan":
            try:
                principal = await self._doorkeeper.judge(scope)
            except Refusal as refusal:
                await refused(refusal)(scope, receive, send)
                return
            scope.setdefault("state", {})["principal"] = principal
        await self._app(scope, receive, send)
