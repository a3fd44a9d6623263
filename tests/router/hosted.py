"""A hosted model under test: the Messages API on a scripted engine, and fleets that may spill to it."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from cluster.spec import Fleet
from router.backends.translate.sse import event_bytes
from tests.router.backends.translate.talk import Json, told
from tests.router.engine import Engine, Exchange, Play
from tests.router.gateway import Trio

KEY_ENV = "FREEHOLD_TEST_HOSTED_KEY"
KEY = "sk-canary-key"
USED = {"input_tokens": 4, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 3}
MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [{"type": "text", "text": "Grüße from afar"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": USED,
}
EVENTS = [event_bytes(event, event["type"]) for event in told(MESSAGE, [5, 5])]
"""Start, ping, block start, three pieces, block stop, delta, stop."""
SAID = 4
"""After so many of them, the caller has had something."""
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
PRICE = {"prompt": 3, "completion": 15, "cached_prompt": 0.3, "cache_write": 3.75}


async def says(exchange: Exchange) -> None:
    """A healthy answer, streamed or whole."""
    if exchange.request.get("stream"):
        exchange.stream(*EVENTS)
    else:
        exchange.answer(MESSAGE)


def refuses(status: int, body: object = OVERLOADED, **headers: str) -> Play:
    """An error instead of an answer."""

    async def play(exchange: Exchange) -> None:
        exchange.answer(body, status, **headers)

    return play


def breaks(count: int, then: str) -> Play:
    """A stream that goes wrong after so many events."""

    async def play(exchange: Exchange) -> None:
        exchange.begin()
        for piece in EVENTS[:count]:
            exchange.piece(piece)
        if then in _WORDS:
            exchange.piece(_WORDS[then])
        if then == "reset":
            exchange.reset()
        elif then in _SLOW:
            await _slowly(exchange, _SLOW[then] or EVENTS[count] * 100)
        elif then != "nonsense":
            exchange.end()

    return play


_WORDS = {"overload": event_bytes(OVERLOADED, "error"), "nonsense": b"event: x\ndata: {nonsense\n\n"}
_SLOW = {"pings": event_bytes({"type": "ping"}, "ping") * 1000, "drip": b""}


async def _slowly(exchange: Exchange, data: bytes) -> None:
    """A few bytes at a time, until nobody listens."""
    while data and not exchange.gone.is_set():
        exchange.piece(data[:3])
        data = data[3:]
        await asyncio.sleep(0.05)


def hosted(url: str, **more: object) -> Json:
    """A hosted model, as in a fleet file."""
    return {
        "engine": "claude",
        "url": url,
        "price": PRICE,
        "context_length": 200_000,
        "capabilities": ["chat", "tools", "json_schema", "vision"],
        "api_key_env": KEY_ENV,
        **more,
    }


def spilling(trio: Trio, first: Engine, second: Engine | None = None, **parts: Any) -> Fleet:  # noqa: ANN401 - as there
    """The usual fleet with hosted models behind it; ``parts`` are of the fleet file."""
    os.environ[KEY_ENV] = KEY
    plain = trio.fleet(**parts.pop("gateway", {})).model_dump(exclude_unset=True)
    plain["models"]["c"] = hosted(first.url, served_as="claude-x")
    chain = ["c"]
    if second is not None:
        plain["models"]["d"] = hosted(second.url, served_as="claude-y")
        chain.append("d")
    plain["spillover"] = {"chain": chain, "open_usd_per_day": 1000, **parts.pop("spillover", {})}
    return Fleet.model_validate({**plain, **parts})
