"""A simulated engine as an ASGI application, for servers that are given: Ray Serve's replicas.

Costs several times what :mod:`serving.simulated.connection` costs, a task a request; events that come faster than the
server takes them leave together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from prometheus_client import Metric

from serving.simulated.api import Api
from serving.simulated.clock import RealClock
from serving.simulated.engine import Engine, Simulation

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class _Response:
    """The :class:`~serving.simulated.answers.Reply` to one request, until its task sends it."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.head: Message | None = None
        self.ended = self.gone = False
        self._pieces: list[bytes] = []

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        self._begin(status, [(b"content-type", content_type), (b"content-length", b"%d" % len(body))])
        self._pieces.append(body)
        self.end()

    def begin(self, content_type: bytes) -> None:
        self._begin(200, [(b"content-type", content_type)])

    def write(self, data: bytes) -> None:
        self._pieces.append(data)
        self.changed.set()

    def end(self) -> None:
        self.ended = True
        self.changed.set()

    def leave(self) -> None:
        self.gone = True
        self.changed.set()

    def take(self) -> bytes:
        """What has not been sent yet."""
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.head = {"type": "http.response.start", "status": status, "headers": headers}


class Application:
    """One replica; its clock begins with its first request."""

    def __init__(self, simulation: Simulation) -> None:
        """Of ``simulation``."""
        self._simulation = simulation
        self._api: Api | None = None
        self._engine: Engine | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's start and end."""
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})

    def figures(self) -> Iterable[Metric]:
        """What ``/metrics`` is made of; nothing before the first request."""
        return self._engine.metrics.collect() if self._engine else ()

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return
        if self._api is None:
            self._engine = Engine(self._simulation, RealClock(self._simulation.speed))
            self._api = Api({"": [self._engine]})
        response = _Response()
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        leave = self._api.serve(scope["method"], path, body, response)
        watch = asyncio.create_task(_watch(receive, response))
        try:
            await _send(response, send)
        finally:
            watch.cancel()
            if leave is not None and not response.ended:
                leave()


async def _send(response: _Response, send: Send) -> None:
    more = True
    while more and not response.gone:
        await response.changed.wait()
        response.changed.clear()
        if response.head is not None:
            await send(response.head)
            response.head = None
        more = not response.ended
        await send({"type": "http.response.body", "body": response.take(), "more_body": more})


async def _watch(receive: Receive, response: _Response) -> None:
    """Tell the response when its client leaves."""
    while (await receive())["type"] != "http.disconnect":
        pass
    response.leave()


async def _body(receive: Receive) -> bytes | None:
    """A request's body; None where its client left before it was complete."""
    pieces, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(pieces)
