"""A request to a named route → the request that an engine gets: system prompt, parameters, adapter. Pure.

What the caller set itself stays. What comes out is what is counted, cached and sent, so nothing that a route adds can
be missing in any of them. Neighbour: :mod:`router.choice` asks here before anything is understood.
"""

from __future__ import annotations

from typing import Any

from cluster.spec import Route
from router.wire.endpoints import Endpoint, Kind
from router.wire.errors import Refusal

Request = dict[str, Any]

_STOPS = {Kind.CHAT: "stop", Kind.COMPLETION: "stop", Kind.MESSAGES: "stop_sequences"}
_MOST_ANTHROPIC = 1.0
"""Temperatures of the Messages API end there."""


def dressed(endpoint: Endpoint, request: Request, route: Route) -> Request:
    """The same request with what its route says; ``model`` is the adapter's name, or the route's model.

    Raises:
        Refusal: 400; the endpoint has no place for a system prompt.

    """
    kind = endpoint.kind
    found = {**request, "model": route.adapter or route.model}
    if kind is Kind.EMBEDDING:
        return found
    warmth = route.temperature
    if warmth is not None and kind is Kind.MESSAGES:
        warmth = min(warmth, _MOST_ANTHROPIC)
    wishes: dict[str, object] = {"temperature": warmth, "top_p": route.top_p}
    if not request.get("max_tokens"):
        wishes[endpoint.answer_limit] = route.max_tokens
    if kind in _STOPS:
        wishes[_STOPS[kind]] = list(route.stop) or None
    found |= {name: value for name, value in wishes.items() if value is not None and request.get(name) is None}
    return _instructed(kind, found, route.system) if route.system else found


def _instructed(kind: Kind, request: Request, system: str) -> Request:
    """With the route's system prompt before the caller's."""
    if kind is Kind.CHAT:
        return {**request, "messages": _with_first(request["messages"], system)}
    if kind is Kind.RESPONSES:
        return {**request, "instructions": _joined(system, request.get("instructions"))}
    if kind is Kind.MESSAGES:
        own = request.get("system")
        text = {"type": "text", "text": system}
        return {**request, "system": [text, *own] if isinstance(own, list) else _joined(system, own)}
    msg = f"{request['model']!r} stands for a route with a system prompt; ask it on /v1/chat/completions."
    raise Refusal(400, msg, param="model", code="model_not_capable")


def _with_first(messages: list[Request], system: str) -> list[Request]:
    """One system message at the front: many models' templates take no second one."""
    first = messages[0]
    own = first.get("content")
    if first["role"] not in {"system", "developer"}:
        return [{"role": "system", "content": system}, *messages]
    if isinstance(own, list):
        return [{**first, "content": [{"type": "text", "text": system}, *own]}, *messages[1:]]
    return [{**first, "content": _joined(system, own)}, *messages[1:]]


def _joined(system: str, own: str | None) -> str:
    return f"{system}\n\n{own}" if own else system
