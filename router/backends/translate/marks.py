"""Prompt caching: where to mark the prefixes that the next request will probably begin with.

A mark makes the vendor keep everything before it for some minutes: reading it again costs a tenth, writing it a quarter
more than usual. So only long prefixes are marked, and only those that repeat: tools and system prompt (every request of
an application has them), and a conversation that has come to its second turn (the third begins with it).
"""

from __future__ import annotations

import orjson

from router.backends.translate.blocks import Json, as_blocks

LONG_BYTES = 8192
"""About 2,000 tokens; shorter prefixes are not cached by the vendor, or not worth their writing."""
MARK: Json = {"type": "ephemeral"}
_SECOND_TURN = 3


def marked(request: Json) -> Json:
    """A Messages request of ours with its marks; blocks that get one are copied, nothing else is touched."""
    tools, system, turns = request.get("tools") or [], as_blocks(request.get("system")), request["messages"]
    found = dict(request)
    shared = _size(tools) + _size(system)
    if shared >= LONG_BYTES:
        last = "system" if system else "tools"
        found[last] = _with_mark(system or tools)
    if len(turns) >= _SECOND_TURN and shared + _size(turns) >= LONG_BYTES:
        blocks = _with_mark(as_blocks(turns[-1]["content"]))
        found["messages"] = [*turns[:-1], {**turns[-1], "content": blocks}]
    return found


def plain_marks(value: object) -> None:
    """In place: a caller's own marks without a lifetime, since longer ones are dearer than the price list says."""
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, dict):
            if "cache_control" in found:
                found["cache_control"] = MARK
            stack.extend(found.values())
        elif isinstance(found, list):
            stack.extend(found)


def drop_marks(value: object) -> None:
    """In place: no marks at all, where the price list does not say what taking in costs."""
    stack = [value]
    while stack:
        found = stack.pop()
        if isinstance(found, dict):
            found.pop("cache_control", None)
            stack.extend(found.values())
        elif isinstance(found, list):
            stack.extend(found)


def _with_mark(blocks: list[Json]) -> list[Json]:
    return [*blocks[:-1], {**blocks[-1], "cache_control": MARK}]


def _size(value: list[Json]) -> int:
    return len(orjson.dumps(value)) if value else 0
