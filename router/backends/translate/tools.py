"""Tools, the choice among them, and JSON mode, in both APIs."""

from __future__ import annotations

import re

import orjson

from router.backends.translate.blocks import Json, text_block, untranslatable

_NAME = re.compile(r"^[A-Za-z0-9_-]{1,128}$")
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_CHOSEN = {there: here for here, there in _CHOICES.items()}

ANY_JSON = "Answer with one valid JSON object and nothing else: no words around it, no code fence."
SCHEMA_JSON = "Answer with JSON of this schema and nothing else: no words around it, no code fence. The schema: "


def to_tool(tool: Json) -> Json:
    """OpenAI's function → Anthropic's tool."""
    function = tool["function"]
    if not _NAME.match(function["name"]):
        msg = "tools"
        raise untranslatable(msg, "Claude takes names of letters, digits, _ and -")
    found: Json = {"name": function["name"]}
    if function.get("description"):
        found["description"] = function["description"]
    found["input_schema"] = {"type": "object", **(function.get("parameters") or {})}
    if function.get("strict") and is_closed(found["input_schema"]):
        found["strict"] = True
    return found


def to_function(tool: Json) -> Json:
    """Anthropic's tool → OpenAI's function."""
    if tool.get("type", "custom") != "custom":
        msg = "tools"
        raise untranslatable(msg, f"{str(tool['type'])[:80]!r} runs at its vendor; only tools of your own")
    function: Json = {"name": tool["name"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    function["parameters"] = tool.get("input_schema") or {"type": "object"}
    if tool.get("strict"):
        function["strict"] = True
    return {"type": "function", "function": function}


def to_choice(request: Json) -> Json | None:
    """``tool_choice`` and ``parallel_tool_calls`` → Anthropic's tool_choice."""
    choice = request.get("tool_choice")
    if isinstance(choice, dict):
        found: Json = {"type": "tool", "name": choice["function"]["name"]}
    elif choice:
        found = {"type": _CHOICES[choice]}
    else:
        found = {"type": "auto"}
    single = request.get("parallel_tool_calls") is False and found["type"] != "none"
    if single:
        found["disable_parallel_tool_use"] = True
    return found if choice or single else None


def from_choice(choice: Json) -> Json:
    """Anthropic's tool_choice → the two fields of OpenAI."""
    kind = choice["type"]
    named = {"type": "function", "function": {"name": choice.get("name", "")}}
    found: Json = {"tool_choice": named if kind == "tool" else _CHOSEN.get(kind, "auto")}
    if choice.get("disable_parallel_tool_use"):
        found["parallel_tool_calls"] = False
    return found


def to_format(response_format: Json) -> tuple[Json | None, Json | None]:
    """JSON mode → an ``output_config``; or a block to end the system prompt with, where a schema is too open."""
    kind = response_format["type"]
    if kind == "text":
        return None, None
    if kind == "json_object":
        return None, text_block(ANY_JSON)
    schema = response_format["json_schema"].get("schema") or {"type": "object"}
    if is_closed(schema):
        return {"format": {"type": "json_schema", "schema": schema}}, None
    return None, text_block(SCHEMA_JSON + orjson.dumps(schema).decode())


def from_format(output_config: Json | None, system: list[Json]) -> tuple[Json | None, list[Json]]:
    """Undo :func:`to_format`: JSON mode, and the system prompt without what asked for it."""
    wanted = (output_config or {}).get("format")
    if wanted:
        return _schema_format(wanted["schema"], strict=True), system
    last = system[-1].get("text", "") if system else ""
    if last == ANY_JSON:
        return {"type": "json_object"}, system[:-1]
    if last.startswith(SCHEMA_JSON):
        return _schema_format(orjson.loads(last[len(SCHEMA_JSON) :]), strict=False), system[:-1]
    return None, system


def _schema_format(schema: Json, *, strict: bool) -> Json:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": strict}}


def is_closed(schema: object) -> bool:
    """Whether every object in a JSON Schema forbids unknown fields, as Claude's structured outputs insist on."""
    if isinstance(schema, list):
        return all(map(is_closed, schema))
    if not isinstance(schema, dict):
        return True
    is_object = schema.get("type") == "object" or "properties" in schema
    if is_object and schema.get("additionalProperties") is not False:
        return False
    return all(map(is_closed, schema.values()))
