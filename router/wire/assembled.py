"""A chat stream → the whole answer that it amounts to, for whoever asked for no stream. One choice, no tool calls.

Neighbour: :mod:`router.relay`, which has a stream asked for where it may have to give an answer up early.
"""

from __future__ import annotations

from typing import Any

from router.wire.logprobs import payloads_of

_SAID = ("content", "reasoning", "reasoning_content", "refusal")
"""Texts that come in pieces."""
_ONCE = ("finish_reason", "stop_reason")
_AROUND = ("id", "created", "model", "system_fingerprint", "usage")

Completion = dict[str, Any]


def completion_of(events: bytes) -> Completion:
    """The ``chat.completion`` of a stream that ended well."""
    around: Completion = {}
    choice: Completion = {"finish_reason": None}
    said: dict[str, list[str]] = {"content": []}
    for chunk in _chunks(events):
        around |= {field: chunk[field] for field in _AROUND if chunk.get(field) is not None}
        for piece in chunk.get("choices") or ():
            choice |= {field: piece[field] for field in _ONCE if piece.get(field) is not None}
            delta = piece.get("delta") or {}
            for field in _SAID:
                if delta.get(field):
                    said.setdefault(field, []).append(delta[field])
    message = {"role": "assistant", **{field: "".join(pieces) for field, pieces in said.items()}}
    choices = [{"index": 0, "message": message, "logprobs": None, **choice}]
    return {"id": "", "object": "chat.completion", "created": 0, **around, "choices": choices}


def _chunks(events: bytes) -> list[Completion]:
    lines = [line for line in events.splitlines() if line.startswith(b"data:") and not line.endswith(b"[DONE]")]
    return [chunk for chunk in payloads_of(lines) if isinstance(chunk, dict)]
