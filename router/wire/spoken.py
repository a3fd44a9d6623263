"""A text of our own as an answer of the chat or the Messages API, whole or as a stream; no tokens were used for it."""

from __future__ import annotations

import time
from typing import Any

import orjson

from router.wire.endpoints import Kind

_UNUSED = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
_UNUSED_BY_MESSAGES = {"input_tokens": 0, "output_tokens": 0}


def spoken(kind: Kind, request: dict[str, Any], text: str, identity: str) -> tuple[str, bytes]:
    """Content type and body of the answer to a ``request`` of that kind; ``identity`` goes into its ``id``."""
    events = _message_events if kind is Kind.MESSAGES else _chunks
    whole = _message if kind is Kind.MESSAGES else _completion
    if request.get("stream"):
        return "text/event-stream; charset=utf-8", b"".join(events(request, text, identity))
    return "application/json", orjson.dumps(whole(request["model"], text, identity))


def _completion(model: str, text: str, identity: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    head = {"id": f"chatcmpl-{identity}", "object": "chat.completion", "created": int(time.time()), "model": model}
    return {**head, "choices": [choice], "usage": _UNUSED}


def _chunks(request: dict[str, Any], text: str, identity: str) -> list[bytes]:
    head = {"id": f"chatcmpl-{identity}", "object": "chat.completion.chunk", "created": int(time.time())}
    head["model"] = request["model"]
    said = {"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}
    stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
    found = [_event({**head, "choices": [said]}), _event({**head, "choices": [stop]})]
    if (request.get("stream_options") or {}).get("include_usage"):
        found.append(_event({**head, "choices": [], "usage": _UNUSED}))
    return [*found, b"data: [DONE]\n\n"]


def _message(model: str, text: str, identity: str) -> dict[str, Any]:
    head = {"id": f"msg_{identity}", "type": "message", "role": "assistant", "model": model}
    ending = {"stop_reason": "end_turn", "stop_sequence": None, "usage": _UNUSED_BY_MESSAGES}
    return {**head, "content": [{"type": "text", "text": text}], **ending}


def _message_events(request: dict[str, Any], text: str, identity: str) -> list[bytes]:
    message = {**_message(request["model"], text, identity), "content": [], "stop_reason": None}
    ending = {"stop_reason": "end_turn", "stop_sequence": None}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": ending, "usage": {"output_tokens": 0}},
        {"type": "message_stop"},
    ]
    return [_event(event, event["type"]) for event in events]


def _event(payload: dict[str, Any], name: str = "") -> bytes:
    head = b"event: %b\n" % name.encode() if name else b""
    return b"%bdata: %b\n\n" % (head, orjson.dumps(payload))
