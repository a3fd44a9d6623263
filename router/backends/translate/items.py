"""A Responses request → a chat request: items → messages, flat tools → OpenAI's older, nested ones.

Dropped, because they are hints or what only a store of earlier answers could hold: ``reasoning`` items and settings,
``truncation``, ``metadata``, ``user``. Neighbour: :mod:`router.backends.translate.responses` tells the answer.
"""

from __future__ import annotations

from router.backends.translate.blocks import Json, untranslatable

_KEPT = ("stream", "temperature", "top_p", "parallel_tool_calls")
_TEXTS = ("input_text", "output_text", "text")
_ROLES = ("user", "assistant", "system", "developer")


def obstacle_to_items(request: Json) -> str | None:
    """The field for which a Responses request cannot be put as a chat; None when it can, as far as is seen at once."""
    if request.get("top_logprobs"):
        return "top_logprobs"
    if any(tool.get("type") != "function" for tool in request.get("tools") or []):
        return "tools"
    return "include" if any("logprobs" in what for what in request.get("include") or []) else None


def chat_of_items(request: Json) -> Json:
    """A Responses request → a chat request.

    Raises:
        UntranslatableError: it has items or tools that a chat has not.

    """
    if field := obstacle_to_items(request):
        raise untranslatable(field, "only functions of your own, and no log probabilities")
    system = [{"role": "system", "content": request["instructions"]}] if request.get("instructions") else []
    said = request["input"]
    turns = [{"role": "user", "content": said}] if isinstance(said, str) else [*_turns(said)]
    found: Json = {
        "messages": [*system, *turns],
        "max_tokens": request.get("max_output_tokens"),
        "tools": [_tool(tool) for tool in request.get("tools") or []],
        "tool_choice": _choice(request.get("tool_choice")),
        "response_format": _format((request.get("text") or {}).get("format")),
        **{field: request.get(field) for field in _KEPT},
    }
    return {field: value for field, value in found.items() if value not in (None, [])}


def _turns(items: list[Json]) -> list[Json]:
    """Calls that follow one another belong to one turn of the assistant's, as in a chat."""
    turns: list[Json] = []
    for item in items:
        if item.get("type") == "function_call" and turns and turns[-1].get("tool_calls"):
            turns[-1]["tool_calls"].append(_call(item))
        elif (turn := _turn(item)) is not None:
            turns.append(turn)
    return turns


def _turn(item: Json) -> Json | None:
    match item.get("type", "message"):
        case "message" if item.get("role") in _ROLES:
            return {"role": item["role"], "content": _content(item.get("content"))}
        case "function_call":
            return {"role": "assistant", "content": None, "tool_calls": [_call(item)]}
        case "function_call_output":
            return {"role": "tool", "tool_call_id": str(item.get("call_id")), "content": _content(item.get("output"))}
        case "reasoning":
            return None
    what = str(item.get("type", item.get("role")))[:80]
    field = "input"
    raise untranslatable(field, f"an item of type {what!r} means something at its vendor only")


def _content(content: object) -> str | list[Json]:
    if isinstance(content, list):
        return [_part(part) for part in content]
    return content if isinstance(content, str) else ""


def _part(part: object) -> Json:
    kind = part.get("type") if isinstance(part, dict) else None
    if isinstance(part, dict) and kind in _TEXTS and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if isinstance(part, dict) and kind == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": "text", "text": part["refusal"]}
    if isinstance(part, dict) and kind == "input_image" and isinstance(part.get("image_url"), str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    field = "input"
    raise untranslatable(field, f"a part of type {str(kind)[:80]!r}; texts and images in the request can be sent")


def _call(item: Json) -> Json:
    function = {"name": str(item.get("name")), "arguments": str(item.get("arguments") or "")}
    return {"id": str(item.get("call_id")), "type": "function", "function": function}


def _tool(tool: Json) -> Json:
    if not isinstance(tool.get("name"), str) or not isinstance(tool.get("parameters") or {}, dict):
        field = "tools"
        raise untranslatable(field, "a function needs a name, and its parameters a JSON Schema")
    fields = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {field: tool[field] for field in fields if tool.get(field) is not None}}


def _choice(choice: object) -> object:
    if not isinstance(choice, dict):
        return choice
    if choice.get("type") != "function":
        field = "tool_choice"
        raise untranslatable(field, "only functions of your own")
    return {"type": "function", "function": {"name": choice.get("name")}}


def _format(wanted: Json | None) -> Json | None:
    if wanted is None or wanted.get("type") in _PLAIN:
        return wanted
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        field = "text"
        raise untranslatable(field, "its format is text, json_object, or json_schema with a schema")
    return {"type": "json_schema", "json_schema": {key: value for key, value in wanted.items() if key != "type"}}


_PLAIN = ("text", "json_object")
