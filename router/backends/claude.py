"""Claude, or another server of the Messages API, as a target; the only importer of its vendor's library.

The library makes one attempt and follows no redirect: retries, deadlines and where a prompt may go are the gateway's
affair. Neighbours: :mod:`router.backends.translate` (pure), :mod:`router.backends.hosted` (the answer under way).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import anthropic
import httpx2
import orjson

from cluster.errors import StartError
from cluster.spec import Gateway, Model
from router.backends.breaker import Breaker
from router.backends.contract import Audit, Exchange
from router.backends.dialects import AsChat, AsMessages, AsResponse, AsText
from router.backends.errors import ConnectError, CutError, StatusError, UnfitError, UpstreamError
from router.backends.hosted import Dialect, Hosted, Refused
from router.backends.slots import Slots
from router.backends.translate.blocks import UntranslatableError
from router.backends.translate.marks import drop_marks, marked, plain_marks
from router.backends.translate.request import to_messages
from router.backends.translate.ways import WAYS
from router.decide.facts import Load
from router.wire.endpoints import ENDPOINTS, Kind
from router.wire.parse import Request

URL = "https://api.anthropic.com"
_KINDS = {endpoint.path.encode(): endpoint.kind for endpoint in ENDPOINTS.values()}
_DIALECTS: dict[Kind, Callable[[str], Dialect]] = {
    Kind.CHAT: AsChat,
    Kind.COMPLETION: AsText,
    Kind.RESPONSES: AsResponse,
    Kind.MESSAGES: AsMessages,
}
_OK = 200
_REFUSALS = frozenset({400, 413, 422})
_UNPAID = 402
_TOO_MANY = 429
_LONGEST_ANSWER = 256 << 20
_NOT_SENT = ("service_tier", "metadata")
"""Fields of the Messages API that change the price, or need not leave the site."""


class Claude:
    """A hosted model of the fleet."""

    def __init__(self, name: str, model: Model, gateway: Gateway) -> None:
        """Read the key from the environment.

        Raises:
            StartError: it is not there.

        """
        key = os.environ.get(model.key_env, "").strip()
        if not key:
            msg = f"model {name!r}: the environment variable {model.key_env} holds no key; set it, or remove the model"
            raise StartError(msg)
        self.name, self.model = name, model
        self.served_as = model.served_as or name
        self.slots = Slots(gateway.limits.in_flight, gateway.limits.queue, gateway.limits.queue_seconds)
        self.breaker = Breaker(time.monotonic)
        self.answered_at = 0.0
        self._deadlines = gateway.deadlines
        self._client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=model.url or URL,
            max_retries=0,
            timeout=anthropic.Timeout(None, connect=gateway.deadlines.connect),
        )
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def site(self) -> str:
        """The host that it is reached at."""
        return self._client.base_url.host

    def load(self) -> Load:
        """What the policy may know about the target right now."""
        return Load(self.slots.in_flight, self.slots.waiting, self.breaker.available)

    async def ask(
        self, path: bytes, request: Request, request_id: bytes, audit: Audit | None = None
    ) -> tuple[Exchange, bytes]:
        """Send a request; see :meth:`router.backends.contract.Backend.ask`. Our ``request_id`` stays here.

        Raises:
            UpstreamError: nothing usable came; nothing was kept open.

        """
        del request_id
        body = self._body(path, request)
        if audit is not None:
            await audit(len(body))
        self.breaker.trying()
        try:
            found = await self._exchange(path, body, streams=bool(request.get("stream")))
        except StatusError as exc:
            if exc.status == _TOO_MANY:
                self.breaker.rest(exc.retry_after or 0)
            else:
                self.breaker.failed()
            raise
        except UpstreamError:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        self.answered_at = time.monotonic()
        return found

    def _body(self, path: bytes, request: Request) -> bytes:
        try:
            return orjson.dumps(self._put(path, request))
        except orjson.JSONEncodeError as exc:
            msg = "messages: the arguments of an earlier tool call are nested too deep"
            raise UnfitError(msg, "messages") from exc

    def _put(self, path: bytes, request: Request) -> Request:
        """The body: translated, or as it came, for the vendor's model, with marks where its cache has a price."""
        caches = self.model.price is not None and self.model.price.cache_write is not None
        if way := WAYS.get(_KINDS[path]):
            try:
                put = to_messages(way.chat(request), self.model.answer_limit)
            except UntranslatableError as exc:
                raise UnfitError(str(exc), exc.param) from exc
            put = marked(put) if caches else put
        else:
            put = {field: value for field, value in request.items() if field not in _NOT_SENT and value is not None}
            if any(tool.get("type", "custom") != "custom" for tool in put.get("tools") or []):
                msg = "tools: only tools of your own; those that run at the vendor's cost extra and reach further"
                raise UnfitError(msg, "tools")
            (plain_marks if caches else drop_marks)(put)
        return {"model": self.served_as, **{field: value for field, value in put.items() if field != "model"}}

    async def _exchange(self, path: bytes, body: bytes, *, streams: bool) -> tuple[Exchange, bytes]:
        answered: list[httpx2.Response] = []
        dialect = _DIALECTS[_KINDS[path]](self.name)
        data = self._data(body, answered)
        hosted = Hosted(_OK, data, dialect, lambda: self._later(_drop(data, answered)))
        usable = False
        try:
            hosted.expect("first_token", self._deadlines.first_token)
            if not streams:
                hosted.expect("total", self._deadlines.total)
            first = await (hosted.first() if streams else hosted.whole(_LONGEST_ANSWER))
            usable = True
        except anthropic.APIStatusError as exc:
            return _refused(exc)
        finally:
            if not usable:
                hosted.close()
        return hosted, first

    async def _data(self, body: bytes, answered: list[httpx2.Response]) -> AsyncGenerator[bytes, None]:
        """The answer's bytes as they come; the request goes out when the first are asked for."""
        try:
            stream = await self._client.post(
                "/v1/messages",
                cast_to=object,
                content=body,
                options={"headers": {"content-type": "application/json"}, "follow_redirects": False},
                stream=True,
                stream_cls=anthropic.AsyncStream[object],
            )
            answered.append(stream.response)
            async for data in stream.response.aiter_bytes():
                yield data
        except anthropic.APIConnectionError as exc:
            cause = exc.__cause__
            kind = ConnectError if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout) else CutError
            msg = f"no answer: {type(cause or exc).__name__}"
            raise kind(msg) from exc
        except (httpx2.HTTPError, httpx2.StreamError) as exc:
            msg = f"connection lost: {type(exc).__name__}"
            raise CutError(msg) from exc

    def release(self, exchange: Exchange) -> None:
        """Let go of the connection; one whose answer has not ended is closed, which cancels the request there."""
        exchange.close()

    def _later(self, closing: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(closing)
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def count_tokens(self, part: Request) -> int | None:
        """None: asking would send the prompt away before anybody decided that it may go."""
        del part
        return None

    async def answers(self) -> bool:
        """Whether the breaker thinks so; a question would cost money."""
        return self.breaker.available

    async def close(self) -> None:
        """Close what is kept open."""
        await asyncio.gather(*self._closing)
        await self._client.close()


async def _drop(data: AsyncGenerator[bytes, None], answered: list[httpx2.Response]) -> None:
    await data.aclose()
    for response in answered:
        await response.aclose()


def _refused(error: anthropic.APIStatusError) -> tuple[Exchange, bytes]:
    """A 4xx for the caller's sake, with the vendor's words; all else is the target's failure."""
    status = error.status_code
    if status in _REFUSALS and "credit balance" not in error.message:
        return Refused(status), error.response.content
    wait = error.response.headers.get("retry-after", "")
    after = int(wait[:9]) if wait.isascii() and wait.isdigit() else None
    raise StatusError(_UNPAID if status in _REFUSALS else status, after) from error
