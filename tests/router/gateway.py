"""The gateway under test: the real application on the real server, in the test's own event loop, on a free port."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import uvicorn
from prometheus_client.parser import text_string_to_metric_families

from cluster.spec import Fleet
from router.app import build
from router.backends.contract import Backend
from router.observe.log import JsonLog
from router.opening import Archive
from router.server import config
from tests.router.client import Response, fetch
from tests.router.engine import Engine, until

CHAT = ("chat", "tools", "json_schema")


def fleet_of(small: str, large: str, embed: str, **gateway: Any) -> Fleet:  # noqa: ANN401 - as in a fleet file
    """A fleet of three models at three addresses; ``gateway`` is that section of the fleet file."""
    return Fleet.model_validate(
        {
            "name": "test",
            "models": {
                "s": {
                    "engine": "url",
                    "url": small,
                    "context_length": 4096,
                    "capabilities": CHAT,
                    "served_as": "org/s",
                },
                "l": {"engine": "url", "url": large, "context_length": 8192, "capabilities": [*CHAT, "vision"]},
                "e": {"engine": "url", "url": embed, "context_length": 256, "capabilities": ["embeddings"]},
            },
            "tiers": {"small": ["s"], "large": ["l"], "embedding": ["e"]},
            "gateway": gateway,
        },
    )


class Running:
    """``async with Running(fleet)`` serves it; leaving cuts what is open and takes it down at once."""

    def __init__(
        self,
        fleet: Fleet,
        engines: str = "http://127.0.0.1:9/{model}",
        archive: Archive | None = None,
        home: Path | None = None,
        port: int = 0,
    ) -> None:
        """Nothing listens yet; ``port`` 0 is a free one."""
        self._out = io.BytesIO()
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._log = JsonLog(self._out)
        self.app = build(fleet, engines, self._log, archive, home)
        self.server = uvicorn.Server(config(self.app, fleet.gateway.deadlines.drain))

    async def __aenter__(self) -> Self:
        """What ``uvicorn.Server.serve`` does before its main loop."""
        settings = self.server.config
        settings.load()
        self.server.lifespan = settings.lifespan_class(settings)
        await self.server.startup([self._socket])
        return self

    async def __aexit__(self, *_: object) -> None:
        """The end of ``serve``, without its waiting."""
        for listener in self.server.servers:
            listener.close()
        for connection in list(self.server.server_state.connections):
            connection.transport.abort()
        await self.server.lifespan.shutdown()

    @property
    def targets(self) -> Mapping[str, Backend]:
        """Who answers, by model."""
        found: Mapping[str, Backend] = self.app.app._targets  # type: ignore[attr-defined] # through the middleware
        return found

    async def alone(self) -> None:
        """Wait until no client is connected."""

        async def nobody() -> bool:
            return not self.server.server_state.connections

        await until(nobody)

    async def serve(self) -> None:
        """All of ``serve``, in place of ``async with``: until :meth:`terminate`, and what comes after it."""
        await self.server.serve([self._socket])

    def terminate(self) -> None:
        """What SIGTERM does."""
        self.server.should_exit = True

    @property
    def log_bytes(self) -> bytes:
        """What was really written so far."""
        return self._out.getvalue()

    @property
    def log_text(self) -> str:
        """The log as it was written."""
        self._log.flush()
        return self.log_bytes.decode()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        return [json.loads(line) for line in self.log_text.splitlines()]

    async def told(self, count: int = 1) -> list[dict[str, Any]]:
        """The log's lines of requests, once there are so many: a client can be done before the gateway is."""

        async def enough() -> bool:
            return len(self._requests) >= count

        await until(enough)
        return self._requests

    @property
    def _requests(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == "request"]

    async def queued(self, count: int) -> None:
        """Wait until so many requests wait for a slot."""

        async def reached() -> bool:
            return await self.metric("freehold_queue_length") == count

        await until(reached)

    async def settled(self) -> None:
        """Wait until no request is under way or in a queue."""

        async def nothing() -> bool:
            return not (await self.metric("freehold_in_flight") or await self.metric("freehold_queue_length"))

        await until(nothing)

    async def post(self, path: str, body: object, **headers: str) -> Response:
        """One request on a connection of its own."""
        return await fetch(self.port, path, body, **headers)

    async def get(self, path: str) -> Response:
        """The same without a body."""
        return await fetch(self.port, path, method="GET")

    async def request(self, method: str, path: str) -> Response:
        """A request with an empty object for a body."""
        return await fetch(self.port, path, b"{}", method=method)

    async def chat(self, **fields: object) -> Response:
        """A short conversation with ``auto``."""
        return await self.post("/v1/chat/completions", {**chat(), **fields})

    async def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample of ``/metrics``, by name and labels."""
        text = (await self.get("/metrics")).body.decode()
        families = text_string_to_metric_families(text)
        return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name and these labels."""
        return sum(
            value
            for (sample, found), value in (await self.metrics()).items()
            if sample == name and frozenset(labels.items()) <= found
        )


def chat(text: str = "Hello?", **fields: object) -> dict[str, object]:
    """The body of a short conversation with ``auto``."""
    return {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}


class Trio:
    """The three engines behind :func:`fleet_of`."""

    def __init__(self) -> None:
        """None runs yet."""
        self.small, self.large, self.embed = Engine(), Engine(), Engine()

    async def __aenter__(self) -> Self:
        """Start them."""
        for engine in self:
            await engine.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take them down, and fail where a play failed."""
        for engine in self:
            await engine.__aexit__()
        for engine in self:
            assert not engine.failures

    def __iter__(self) -> Iterator[Engine]:
        """Each."""
        return iter((self.small, self.large, self.embed))

    def fleet(self, **gateway: Any) -> Fleet:  # noqa: ANN401 - as in a fleet file
        """The fleet in front of them."""
        return fleet_of(self.small.url, self.large.url, self.embed.url, **gateway)
