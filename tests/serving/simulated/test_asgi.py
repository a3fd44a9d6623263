"""The engine as an ASGI application, driven without a server."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from serving.simulated import Simulation, Steady
from serving.simulated.asgi import Application, Message

FAST = Simulation("m", Steady(token_s=0.001, prompt_token_s=0), speed=1)


class Client:
    """One request, and what came back."""

    def __init__(self, body: dict[str, Any], path: str = "/v1/completions") -> None:
        """Of ``body``."""
        self.scope: Message = {"type": "http", "method": "POST", "path": f"/small{path}", "root_path": "/small"}
        self._body: list[Message] = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
        self.sent: list[Message] = []
        self.began, self.left = asyncio.Event(), asyncio.Event()

    async def receive(self) -> Message:
        """The body, then nothing until the client leaves."""
        if self._body:
            return self._body.pop()
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Keep it."""
        self.sent.append(message)
        self.began.set()

    @property
    def content(self) -> bytes:
        """All pieces."""
        return b"".join(message.get("body", b"") for message in self.sent)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_an_answer_is_complete(stream: bool) -> None:
    """One beginning, one end, nothing after it."""

    async def run() -> Client:
        client = Client({"prompt": "Hello", "max_tokens": 5, "ignore_eos": True, "stream": stream})
        await Application(FAST)(client.scope, client.receive, client.send)
        return client

    client = asyncio.run(run())
    assert [message["type"] for message in client.sent].count("http.response.start") == 1
    assert [message.get("more_body", True) for message in client.sent].count(False) == 1
    assert not client.sent[-1]["more_body"]
    assert client.content.endswith(b"[DONE]\n\n" if stream else b"}")


def test_a_client_that_leaves_frees_the_batch() -> None:
    """The request's task ends, and the engine is idle."""

    async def run() -> tuple[Client, bytes]:
        application = Application(FAST)
        client = Client({"prompt": "Hello", "max_tokens": 8000, "ignore_eos": True, "stream": True})
        task = asyncio.create_task(application(client.scope, client.receive, client.send))
        await client.began.wait()
        client.left.set()
        await task
        looker = Client({}, "/metrics")
        looker.scope["method"] = "GET"
        await application(looker.scope, looker.receive, looker.send)
        return client, looker.content

    client, metrics = asyncio.run(run())
    assert client.sent[-1]["more_body"]
    assert b'vllm:num_requests_running{engine="0",model_name="m"} 0.0' in metrics
    assert b'finished_reason="abort",model_name="m"} 1.0' in metrics


def test_it_starts_and_ends() -> None:
    """Servers that announce both get their answers."""

    async def run() -> list[Message]:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "lifespan"}

        async def send(message: Message) -> None:
            sent.append(message)

        await Application(FAST)({"type": "lifespan"}, receive, send)
        return sent

    assert [message["type"] for message in asyncio.run(run())] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
