"""Answers with log probabilities on scripted engines, and fleets that weigh them."""

from __future__ import annotations

import json
from typing import Any

from cluster.spec import Fleet
from tests.router.engine import COUNTED, DONE, Exchange, Play, event
from tests.router.gateway import Trio

TOKENS = 4
"""That the fleet below looks at."""


def word(text: str, logprob: float, *, top: bool = True, spaced: bool = False) -> bytes:
    """One chunk as vLLM writes it: no spaces, ``logprobs`` before ``finish_reason``; ``spaced``: as others do."""
    listed = [{"token": text, "logprob": logprob, "bytes": [97]}, {"token": "x", "logprob": -3.0, "bytes": [120]}]
    content = [{**listed[0], "top_logprobs": listed if top else []}]
    choice = {
        "index": 0,
        "delta": {"content": text},
        "logprobs": {"content": content},
        "finish_reason": None,
        "token_ids": None,
    }
    if spaced:
        choice = dict(reversed(choice.items()))
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return event(chunk) if spaced else event(_compact(chunk))


def plain(text: str) -> bytes:
    """The same chunk where nobody asked for log probabilities."""
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None, "token_ids": None}
    return event(
        _compact({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
    )


def _compact(payload: dict[str, Any]) -> str:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False)


ROLE = event(
    _compact({"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": None}]})
)
LAST = event(_compact({"id": "c", "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]}))
SAID = tuple(f"w{at} " for at in range(6))


def sure(logprob: float = -0.1) -> Play:
    """Six words, each as likely as told, streamed whole."""

    async def play(exchange: Exchange) -> None:
        exchange.stream(ROLE, *(word(text, logprob) for text in SAID), LAST, COUNTED, DONE)

    return play


def begins(logprob: float = -0.1, count: int = TOKENS) -> Play:
    """The first words, and then nothing until the peer leaves."""

    async def play(exchange: Exchange) -> None:
        exchange.begin()
        exchange.piece(ROLE)
        for text in SAID[:count]:
            exchange.piece(word(text, logprob))
        exchange.said.set()
        await exchange.gone.wait()

    return play


def weighing(
    trio: Trio,
    share: float = 0.5,
    *,
    tells: bool = True,
    routes: object = None,
    **parts: Any,  # noqa: ANN401 - as in a fleet file
) -> Fleet:
    """The usual fleet, whose small model's answers are held; ``parts`` are of ``routing.cascade``."""
    whole = trio.fleet().model_dump(exclude_unset=True)
    whole["models"]["s"]["logprobs"] = tells
    cascade = {"share": share, "tokens": TOKENS, "hold_seconds": 60, **parts}
    return Fleet.model_validate({**whole, "routing": {"cascade": cascade}, "routes": routes or {}})
