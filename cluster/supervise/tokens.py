"""The proof that a start worked: one real token, or one real embedding, of each model through the gateway."""

from __future__ import annotations

import asyncio
import time

from cluster.client.http import Endpoint
from cluster.errors import FreeholdError, RefusedError, StartError
from cluster.spec import Capability, Model

PATIENCE_S = 10.0
"""How long a model may refuse its first request; the engines have answered before the gateway is asked."""
_ANSWER_S = 120.0
"""How long the first token may take: a large model on a CPU thinks before it speaks."""
_POLL_S = 0.1
_FORBIDDEN = 403
_NOT_LET_IN = (401, _FORBIDDEN)
_NOTHING_LEFT = (402, 429)


async def until_alive(url: str) -> None:
    """Return as soon as the gateway answers at all."""
    endpoint = Endpoint(url, timeout_s=2)
    while True:
        try:
            await asyncio.to_thread(endpoint.get, "/healthz")
        except FreeholdError:
            await asyncio.sleep(_POLL_S)
        else:
            return


async def lets_in(url: str, key: str) -> bool:
    """Whether the gateway takes ``key``: without one that it knows, no model can be asked."""
    try:
        await asyncio.to_thread(Endpoint(url, key, timeout_s=_ANSWER_S).get, "/v1/models")
    except RefusedError as exc:
        return exc.status not in _NOT_LET_IN
    return True


async def first(url: str, key: str, name: str, model: Model) -> float | None:
    """Seconds until ``model`` answered; None when the key's plan has no part of it, or nothing left of it.

    Raises:
        StartError: it refuses or stays silent.

    """
    endpoint, began = Endpoint(url, key, timeout_s=_ANSWER_S), time.monotonic()
    while True:
        try:
            await asyncio.to_thread(endpoint.post, *smallest_request(name, model))
        except FreeholdError as exc:
            status = exc.status if isinstance(exc, RefusedError) else 0
            late = time.monotonic() - began > PATIENCE_S
            if status == _FORBIDDEN or (late and status in _NOTHING_LEFT):
                return None
            hopeless = isinstance(exc, RefusedError) and exc.is_callers_fault
            if hopeless or late:
                msg = f"model {name!r} does not answer through the gateway: {exc}"
                raise StartError(msg) from exc
            await asyncio.sleep(_POLL_S)
        else:
            return time.monotonic() - began


def smallest_request(name: str, model: Model) -> tuple[str, dict[str, object]]:
    """Path and body of the least that ``model`` can be asked for."""
    if model.is_embedding:
        return "/v1/embeddings", {"model": name, "input": "Hi"}
    if Capability.CHAT in model.capabilities:
        messages = [{"role": "user", "content": "Hi"}]
        return "/v1/chat/completions", {"model": name, "messages": messages, "max_tokens": 1}
    return "/v1/completions", {"model": name, "prompt": "Hi", "max_tokens": 1}
