"""Ray Serve with a deployment that does nothing, reached in one of the ways that Serve offers.

``python -m benchmarks.lab.serve_way --way WAY --port N --temp DIR`` serves until SIGTERM; ``benchmarks/ways_in.py``
says what the ways are and sets the environment, which decides between Serve's own proxy and HAProxy.
"""

from __future__ import annotations

import argparse
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import orjson
import ray
from ray import serve
from ray.llm._internal.serve.core.ingress.router import LLMRouter
from ray.serve.config import ProxyLocation
from ray.serve.experimental.round_robin_router import RoundRobinRouter

from benchmarks.lab.answers import CHUNKS, Question, events, question, whole

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Nothing:
    """Prepared answers to a chat request: one document, or the events of a stream."""

    def __init__(self) -> None:
        """Prepare both."""
        self._whole = [orjson.dumps(whole("burst"))]
        self._stream = events(Question("burst", CHUNKS, usage=False))

    async def answer(self, body: bytes) -> AsyncIterator[bytes]:
        """Piece by piece."""
        for piece in self._stream if question(body).chunks else self._whole:
            yield piece


class Application:
    """The smallest ASGI application: what to say to a body, and nothing to do at start and end."""

    def __init__(self, answer: Callable[[bytes], AsyncIterator[bytes]]) -> None:
        """``answer`` makes the pieces of one answer."""
        self._answer = answer

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's start and end."""
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        async for piece in self._answer(await _body(receive)):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body or b'{"model": "burst"}'


@serve.ingress()
class Direct:
    """A replica that answers HTTP itself, as a replica of vLLM's does."""

    def __init__(self) -> None:
        """Prepare the answers."""
        self._engine = Nothing()

    async def __serve_build_asgi_app__(self) -> Any:  # noqa: ANN401  Ray's name and type
        """The application that Serve is to serve."""
        return Application(self._engine.answer)


@serve.ingress()
class Ingress:
    """A Python ingress before :class:`Nothing`, as ``ray.serve.llm`` has one without direct streaming."""

    def __init__(self, server: Any) -> None:  # noqa: ANN401  Ray's handle
        """``server`` is the handle of the deployment behind."""
        self._server = server.options(stream=True)

    async def __serve_build_asgi_app__(self) -> Any:  # noqa: ANN401  Ray's name and type
        """The application that Serve is to serve."""
        return Application(self._server.answer.remote)


def application(way: str) -> Any:  # noqa: ANN401  Ray's application
    """What is deployed for a way."""
    one = {"num_replicas": 1, "max_ongoing_requests": 1000, "ray_actor_options": {"num_cpus": 0}}
    one["logging_config"] = {"enable_access_log": False}
    if way == "ingress":
        return serve.deployment(Ingress).options(**one).bind(serve.deployment(Nothing).options(**one).bind())
    if way != "router":
        return serve.deployment(Direct).options(**one).bind()
    chosen = serve.deployment(Direct).options(**one, request_router_config={"request_router_class": RoundRobinRouter})
    bound = chosen.bind()
    router = serve.deployment(LLMRouter).options(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0})
    return bound._with_ingress_request_router(router.bind(server=bound))  # noqa: SLF001  as ray.serve.llm does


def main() -> None:
    """Start Ray in a temporary directory and serve one way in."""
    parser = argparse.ArgumentParser(description="a do-nothing deployment of Ray Serve")
    parser.add_argument("--way", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--temp", required=True)
    asked = parser.parse_args()
    ray.init(include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20, _temp_dir=asked.temp)
    serve.start(proxy_location=ProxyLocation.HeadOnly, http_options={"host": "127.0.0.1", "port": asked.port})
    serve.run(application(asked.way))
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    ray.shutdown()


if __name__ == "__main__":
    main()
