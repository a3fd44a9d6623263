"""The do-nothing engine's answers, built once as bytes: what vLLM sends on the wire, without a model behind it.

Invariant: the same question gives the same list of pieces, and each piece is one ``write`` of the engine, so that a
relay meets the same packets that it meets in front of vLLM. The neighbour :mod:`benchmarks.lab.engine` sends them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import orjson

CHUNKS: Final = 64
"""Pieces of a streamed answer, the role and the finish reason among them, when the request has no ``max_tokens``."""
MODELS: Final = ("burst", "paced")
"""``burst`` writes without a pause, ``paced`` writes 20 chunks a second."""

_ID: Final = "chatcmpl-5f0c1d9be2a74d18a3c94b7f2e6d8a01"
_CREATED: Final = 1_760_000_000
_JSON: Final = b"content-type: application/json\r\n"
_EVENTS: Final = b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_OK: Final = b"HTTP/1.1 200 OK\r\ndate: Wed, 01 Oct 2025 00:00:00 GMT\r\nserver: nothing\r\n"
_WORD: Final = " token"


@dataclass(frozen=True, slots=True)
class Question:
    """The few fields of a chat request that change the answer."""

    model: str
    chunks: int
    """Pieces of a streamed answer; 0 asks for a whole one."""
    usage: bool
    """Whether ``stream_options.include_usage`` was set."""
    logprobs: int | None = None
    """Likeliest tokens beside each one's log probability; None where no log probabilities were asked for."""


def question(body: bytes) -> Question:
    """Read a chat request; raises ``orjson.JSONDecodeError`` for anything but JSON."""
    asked = orjson.loads(body)
    length = asked.get("max_tokens") or asked.get("max_completion_tokens") or CHUNKS
    options = asked.get("stream_options") or {}
    logprobs = (asked.get("top_logprobs") or 0) if asked.get("logprobs") else None
    return Question(asked["model"], length if asked.get("stream") else 0, bool(options.get("include_usage")), logprobs)


@lru_cache(maxsize=256)
def pieces(asked: Question) -> tuple[bytes, ...]:
    """The answer as the engine writes it, piece by piece, its HTTP framing included."""
    if not asked.chunks:
        return (document(whole(asked.model)),)
    framed = (b"%x\r\n%s\r\n" % (len(event), event) for event in events(asked))
    return (_OK + _EVENTS, *framed, b"0\r\n\r\n")


def events(asked: Question) -> list[bytes]:
    """The server-sent events of a streamed answer, ``[DONE]`` included."""
    contents = [_delta(asked, index) for index in range(asked.chunks)]
    if asked.usage:
        contents.append(_answer(asked.model, "chat.completion.chunk", []) | {"usage": _usage(asked.chunks)})
    return [*(b"data: " + orjson.dumps(content) + b"\n\n" for content in contents), b"data: [DONE]\n\n"]


def whole(model: str) -> dict[str, object]:
    """A whole ``chat.completion`` with its usage."""
    message = {"role": "assistant", "content": (_WORD * CHUNKS).strip(), "tool_calls": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    return _answer(model, "chat.completion", [choice]) | {"usage": _usage(CHUNKS)}


def document(content: dict[str, object], status: bytes = _OK) -> bytes:
    """A whole JSON answer with its header."""
    body = orjson.dumps(content)
    return status + _JSON + b"content-length: %d\r\n\r\n" % len(body) + body


def models() -> bytes:
    """The answer to ``GET /v1/models``."""
    cards = [{"id": name, "object": "model", "created": _CREATED, "owned_by": "nothing"} for name in MODELS]
    return document({"object": "list", "data": cards})


def refusal(message: str) -> bytes:
    """A 404 in OpenAI's error shape."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None}
    return document({"error": error}, b"HTTP/1.1 404 Not Found\r\n")


def _delta(asked: Question, index: int) -> dict[str, object]:
    delta = {"role": "assistant", "content": ""} if index == 0 else {"content": _WORD}
    reason = "stop" if index == asked.chunks - 1 else None
    logprobs = None if index == 0 or asked.logprobs is None else {"content": [_token(asked.logprobs)]}
    choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": reason, "token_ids": None}
    return _answer(asked.model, "chat.completion.chunk", [choice])


def _token(top: int) -> dict[str, object]:
    token = {"token": _WORD, "logprob": -0.12345678806304932, "bytes": list(_WORD.encode())}
    return {**token, "top_logprobs": [token] * top}


def _answer(model: str, kind: str, choices: list[dict[str, object]]) -> dict[str, object]:
    return {"id": _ID, "object": kind, "created": _CREATED, "model": model, "choices": choices}


def _usage(tokens: int) -> dict[str, object]:
    return {"prompt_tokens": 24, "completion_tokens": tokens, "total_tokens": 24 + tokens}
