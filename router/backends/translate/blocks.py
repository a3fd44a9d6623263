"""What a message is made of: OpenAI's parts and tool calls ⇄ Anthropic's content blocks."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

import orjson

Json = dict[str, Any]

_ID = re.compile(r"^[A-Za-z0-9_-]{1,128}$")
_DATA = re.compile(r"^data:(image/(?:jpeg|png|gif|webp));base64,(.*)$", re.DOTALL)
RAW = "raw_arguments"
"""Holds the arguments of an earlier tool call that were no JSON object; models do write such."""


class UntranslatableError(ValueError):
    """The other API cannot say this; ``param`` is the field."""

    def __init__(self, param: str, why: str) -> None:
        """``why`` is for the caller."""
        super().__init__(f"{param}: {why}")
        self.param = param


def untranslatable(param: str, why: str) -> UntranslatableError:
    """The error for a field."""
    return UntranslatableError(param, why)


def text_block(text: str) -> Json:
    """A block of text."""
    return {"type": "text", "text": text}


def blocks_of(content: object) -> list[Json]:
    """OpenAI's content → blocks; empty texts, which Anthropic refuses, are left out."""
    if isinstance(content, str):
        return [text_block(content)] if content else []
    parts = content if isinstance(content, list) else []
    return [block for part in parts if (block := _block(part)) is not None]


def _block(part: Json) -> Json | None:
    if part["type"] == "image_url":
        found = _DATA.match(part["image_url"]["url"])
        if found is None:
            why = "Claude reads images that are in the request, as jpeg, png, gif or webp"
            msg = "messages"
            raise untranslatable(msg, why)
        return {"type": "image", "source": {"type": "base64", "media_type": found[1], "data": found[2]}}
    text = part.get("text") or part.get("refusal") or ""
    return text_block(text) if text else None


def parts_of(blocks: Iterable[Json]) -> str | list[Json]:
    """Blocks → OpenAI's content: a string where there is one text, else parts."""
    parts = [part for block in blocks if (part := _part(block)) is not None]
    if not parts:
        return ""
    return str(parts[0]["text"]) if len(parts) == 1 and parts[0]["type"] == "text" else parts


def _part(block: Json) -> Json | None:
    if block["type"] == "text":
        return text_block(block["text"])
    if block["type"] == "image":
        source = block["source"]
        if source["type"] != "base64":
            msg = "messages"
            raise untranslatable(msg, "images have to be in the request")
        return {"type": "image_url", "image_url": {"url": f"data:{source['media_type']};base64,{source['data']}"}}
    return None


def as_blocks(content: object) -> list[Json]:
    """Anthropic's content, which may be a string, as blocks."""
    if isinstance(content, str):
        return [text_block(content)] if content else []
    return list(content) if isinstance(content, list) else []


def safe_id(text: str) -> str:
    """A tool call's id as Anthropic takes it; the same for the call and for its result."""
    return text if _ID.match(text) else "id_" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def use_block(call_id: str, function: Json) -> Json:
    """An earlier tool call → a tool_use block."""
    return {
        "type": "tool_use",
        "id": safe_id(call_id),
        "name": function["name"],
        "input": _input(function["arguments"]),
    }


def _input(arguments: str) -> Json:
    try:
        found = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, dict) else {RAW: arguments}


def call_of(block: Json) -> Json:
    """A tool_use block → a tool call."""
    return {
        "id": block["id"],
        "type": "function",
        "function": {"name": block["name"], "arguments": arguments_of(block)},
    }


def arguments_of(block: Json) -> str:
    """A tool_use block's input, as the text that OpenAI has."""
    found = block.get("input") or {}
    return str(found[RAW]) if found.keys() == {RAW} else orjson.dumps(found).decode()


def result_block(call_id: str, content: object) -> Json:
    """A tool's message → a tool_result block; a lone text stays a string."""
    blocks = blocks_of(content)
    alone = len(blocks) == 1 and blocks[0]["type"] == "text"
    return {"type": "tool_result", "tool_use_id": safe_id(call_id), "content": blocks[0]["text"] if alone else blocks}


def tool_message(block: Json) -> Json:
    """A tool_result block → a tool's message."""
    content = parts_of(as_blocks(block.get("content")))
    return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": content}
