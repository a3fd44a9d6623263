"""How many tokens an answer used, in the three dialects that report it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MOST = 1 << 40
"""An engine that reports more tokens than this is mistaken."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; ``cached`` is the part of ``prompt`` that a prefix cache held."""

    prompt: int
    completion: int
    cached: int = 0


def usage_of(answer: object) -> Usage | None:
    """The usage that an answer or a stream's event carries, at its top, in ``response`` or in ``message``."""
    if not isinstance(answer, dict):
        return None
    for holder in (answer, answer.get("response"), answer.get("message")):
        if isinstance(holder, dict) and isinstance(holder.get("usage"), dict):
            return _usage(holder["usage"])
    return None


def _usage(found: dict[str, Any]) -> Usage:
    prompt = _count(found, "prompt_tokens") or _count(found, "input_tokens")
    completion = _count(found, "completion_tokens") or _count(found, "output_tokens")
    details = found.get("prompt_tokens_details") or found.get("input_tokens_details") or found
    details = details if isinstance(details, dict) else {}
    cached = _count(details, "cached_tokens") or _count(details, "cache_read_input_tokens")
    return Usage(prompt, completion, cached)


def _count(found: dict[str, Any], field: str) -> int:
    value = found.get(field)
    return value if type(value) is int and 0 < value <= _MOST else 0
