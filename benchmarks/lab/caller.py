"""Asks gateways over connections of its own and tells an answer that came whole from everything else.

Complete means: status 200, the whole body by HTTP's own framing and, for a stream, ``[DONE]`` at its end. That is what
a client would call complete, and what the ledger must have.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from benchmarks.lab.sides import CHAT, PROMPT

_OK: Final = 200
_PATIENCE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    """0 where no status came."""
    request_id: str
    whole: bool
    reached: bool = True
    """Whether a gateway had the request, or may have had it."""
    retry_after: int = 0
    """Seconds after which a refused caller may come back."""
    model: str = ""
    """That answered."""

    @property
    def complete(self) -> bool:
        """Whether a client has its answer."""
        return self.whole and self.status == _OK


_NOT_REACHED: Final = Answer(0, "", whole=False, reached=False)


def question(model: str = "auto", *, stream: bool = False, **fields: object) -> bytes:
    """A chat request."""
    asked = {"model": model, "messages": [{"role": "user", "content": PROMPT}], "stream": stream}
    return json.dumps(asked | fields).encode()


class Caller:
    """A client with one key."""

    def __init__(self, session: aiohttp.ClientSession, key: str) -> None:
        """Made by :func:`caller`."""
        self._session = session
        self._headers: Mapping[str, str] = {"authorization": f"Bearer {key}", "content-type": "application/json"}

    async def ask(self, gateway: str, body: bytes) -> Answer:
        """Ask once; a gateway that dies meanwhile leaves an answer that is not whole."""
        status, request_id, retry, model = 0, "", 0, ""
        try:
            async with self._session.post(gateway + CHAT, data=body, headers=self._headers) as answer:
                status, request_id = answer.status, answer.headers.get("x-request-id", "")
                model = answer.headers.get("x-freehold-model", "")
                retry = int(answer.headers.get("retry-after", 0))
                data = await answer.read()
                streamed = answer.content_type == "text/event-stream"
        except aiohttp.ClientConnectorError:
            return _NOT_REACHED
        except (aiohttp.ClientError, OSError, TimeoutError):
            return Answer(status, request_id, whole=False)
        ended = not streamed or data.rstrip().endswith(b"data: [DONE]")
        return Answer(status, request_id, ended, retry_after=retry, model=model)

    async def get(self, url: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON at an address, whatever its status."""
        async with self._session.get(url) as answer:
            return await answer.json()


@asynccontextmanager
async def caller(key: str) -> AsyncIterator[Caller]:
    """A client with as many connections as it asks for."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=_PATIENCE_S)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        yield Caller(session, key)
