"""How many tokens an answer used, in the three dialects that report it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MOST = 1 << 40
"""An engine that reports more tokens than this is mistaken."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; a prefix cache held ``cached`` of the ``prompt`` and took in ``written`` of it."""

    prompt: int
    completion: int
    cached: int = 0
    written: int = 0


def usage_of(answer: object) -> Usage | None:
    """The usage that an answer or a stream's event carries, at its top, in ``response`` or in ``message``."""
    if not isinstance(answer, dict):
        return None
    for holder in (answer, answer.get("response"), answer.get("message")):
        if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
            return _usage(holder["usage"])
    return None


def _usage(found: dict[str, Any]) -> Usage:
    if "cache_read_input_tokens" in found or "cache_creation_input_tokens" in found:
        return _anthropic(found)
    prompt = _count(found, "prompt_tokens") or _count(found, "input_tokens")
    completion = _count(found, "completion_tokens") or _count(found, "output_tokens")
    details = found.get("prompt_tokens_details") or found.get("input_tokens_details") or found
    details = details if isinstance(details, dict) else {}
    written = _count(details, "cache_creation_tokens") or _count(details, "cache_write_tokens")
    return Usage(prompt, completion, _count(details, "cached_tokens"), written)


def _anthropic(found: dict[str, Any]) -> Usage:
    """Anthropic counts what its cache read and wrote beside ``input_tokens``, not inside."""
    read, written = _count(found, "cache_read_input_tokens"), _count(found, "cache_creation_input_tokens")
    return Usage(_count(found, "input_tokens") + read + written, _count(found, "output_tokens"), read, written)


def _count(found: dict[str, Any], field: str) -> int:
    value = found.get(field)
    return value if type(value) is int and 0 < value <= _MOST else 0
