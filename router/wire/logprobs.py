"""The log probabilities inside of a chat stream's chunks: read where a decision needs them, cut out for who asked none.

Cutting works on bytes, as vLLM orders a choice's fields (``logprobs`` right before ``finish_reason``); a server with
another order is parsed, which costs more and says the same. JSON escapes quotes inside of strings, so what a model
writes cannot be mistaken for a field. Neighbours: :mod:`router.decide.cascade` weighs them, :mod:`router.relay` cuts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

A_TOKEN = b'"top_logprobs":'
"""Stands once beside every token that has a log probability."""
LOWEST = -20.0
"""Below it all is the same to us: vLLM writes -9999 for minus infinity, which would drown every mean."""
_OPEN, _NULL, _NEXT = b'"logprobs":{', b'"logprobs":null', b'},"finish_reason":'
_SPACED = b'"logprobs": {'
_NUMBER = (int, float)
_ALONE = re.compile(rb'"logprob":(-?[0-9][0-9.]*(?:[eE][-+]?[0-9]+)?),"bytes":(?:null|\[[0-9,]*\]),"top_logprobs":\[\]')
"""A token without company, as vLLM writes it: a fifth of the cost of parsing it."""


class Token(NamedTuple):
    """One generated token: natural logarithms of probabilities, as the model had them before sampling."""

    logprob: float
    """Of the token itself."""
    top: tuple[float, ...] = ()
    """Of the likeliest tokens in its place, the likeliest first."""


def tokens_of(data: bytes, most: int) -> list[Token]:
    """The first tokens of a stream's events; what is not whole, or has another shape, has none."""
    alone = _ALONE.findall(data)
    if len(alone) == data.count(A_TOKEN):
        return [Token(max(LOWEST, float(logprob))) for logprob in alone[:most]]
    told = payloads_of([line for line in data.splitlines() if A_TOKEN in line][:most])
    return [token for payload in told for token in _of_event(payload)][:most]


def payloads_of(lines: list[bytes]) -> list[object]:
    """The JSON of ``data:`` lines, None for what is none; parsed together, which costs a third of one by one."""
    bodies = [line.removeprefix(b"data:") for line in lines]
    try:
        return list(orjson.loads(b"[%b]" % b",".join(bodies)))
    except orjson.JSONDecodeError:
        return [_payload(line) for line in lines]


def _of_event(payload: object) -> Iterator[Token]:
    for choice in _choices(payload):
        logprobs = choice.get("logprobs")
        content = logprobs.get("content") if isinstance(logprobs, dict) else None
        for one in content if isinstance(content, list) else ():
            if isinstance(one, dict) and isinstance(one.get("logprob"), _NUMBER):
                top = one.get("top_logprobs")
                yield Token(max(LOWEST, one["logprob"]), tuple(sorted(_top(top), reverse=True)) if top else ())


def _top(listed: object) -> Iterator[float]:
    for other in listed if isinstance(listed, list) else ():
        if isinstance(other, dict) and isinstance(other.get("logprob"), _NUMBER):
            yield max(LOWEST, other["logprob"])


def without_logprobs(events: bytes) -> bytes:
    """Whole events, without their log probabilities."""
    head, *rest = events.split(_OPEN)
    kept = [head]
    for piece in rest:
        end = piece.find(_NEXT)
        if end < 0 or piece.find(b"\n", 0, end) >= 0:
            return _parsed_without(events)
        kept.append(piece[end + 1 :])
    cut = _NULL.join(kept)
    return _parsed_without(cut) if _SPACED in cut else cut


def _parsed_without(events: bytes) -> bytes:
    """The same for any order of fields, and any spaces between them."""
    lines = events.splitlines(keepends=True)
    for at, line in enumerate(lines):
        if b'"logprobs"' not in line:
            continue
        payload = _payload(line)
        choices = [choice for choice in _choices(payload) if choice.get("logprobs") is not None]
        for choice in choices:
            choice["logprobs"] = None
        if choices:
            lines[at] = b"data: " + orjson.dumps(payload) + line[len(line.rstrip(b"\r\n")) :]
    return b"".join(lines)


def _payload(line: bytes) -> object:
    try:
        return orjson.loads(line.removeprefix(b"data:"))
    except orjson.JSONDecodeError:
        return None


def _choices(payload: object) -> list[dict[str, Any]]:
    choices = payload.get("choices") if isinstance(payload, dict) else None
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
