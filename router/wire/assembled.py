"""A chat stream → the whole answer that it amounts to, for whoever asked for no stream. One choice, no tool calls.

Neighbour: :mod:`router.relay`, which has a stream asked for where it may have to give an answer up early.
"""

from __future__ import annotations

from typing import Any

import orjson

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
        if isinstance(chunk, str):
            said["content"].append(chunk)
            continue
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


def _chunks(events: bytes) -> list[Completion | str]:
    """The chunks; of those that differ from an earlier one in their text alone, the text."""
    lines = [line for line in events.splitlines() if line.startswith(b"data:") and not line.endswith(b"[DONE]")]
    first = next((line for line in lines if 0 <= line.find(_TEXT) < line.find(_PLAIN)), _NOTHING)
    before, after = first[: first.find(_TEXT) + len(_TEXT)], first[first.find(_PLAIN) :]
    texts = [line is not first and line.startswith(before) and line.endswith(after) for line in lines]
    bodies = [
        line[len(before) : -len(after)] if is_text else line[5:] for line, is_text in zip(lines, texts, strict=True)
    ]
    try:
        chunks = orjson.loads(b"[%b]" % b",".join(bodies))
    except orjson.JSONDecodeError:
        chunks = []
    if [isinstance(chunk, str) for chunk in chunks] != texts:
        chunks = payloads_of(lines)
    return [chunk for chunk in chunks if isinstance(chunk, dict | str)]


_TEXT, _PLAIN = b'"delta":{"content":', b'},"logprobs":null,"finish_reason":null'
_NOTHING = b"\n" + _TEXT + _PLAIN
"""Like no line."""
