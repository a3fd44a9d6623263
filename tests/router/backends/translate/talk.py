"""Conversations, answers and streams that both APIs can say, for Hypothesis to vary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,12}", fullmatch=True)
IDS = NAMES.map("call_".__add__)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ARGUMENTS = st.dictionaries(TEXT, VALUES, max_size=3).map(
    lambda found: json.dumps(found, ensure_ascii=False, separators=(",", ":"))
)
COUNTS = st.integers(0, 10**6)


def part(kind: str, data: str) -> Json:
    """A text or an image."""
    if kind == "text":
        return {"type": "text", "text": data}
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data.encode().hex()}"}}


PARTS = st.lists(st.builds(part, st.sampled_from(["text", "png", "jpeg", "gif", "webp"]), TEXT), min_size=2, max_size=4)
IMAGE = st.builds(part, st.just("png"), TEXT).map(lambda one: [one])
CONTENT = TEXT | PARTS | IMAGE
CALLS = st.lists(
    st.builds(
        lambda call_id, name, arguments: {
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        },
        IDS,
        NAMES,
        ARGUMENTS,
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda call: call["id"],
)


@st.composite
def turns(draw: st.DrawFn) -> list[Json]:
    """The user first; an assistant that speaks or calls tools, alone or in parallel; results, then perhaps more."""
    found: list[Json] = [{"role": "user", "content": draw(CONTENT)}]
    for _ in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            found += [{"role": "assistant", "content": draw(TEXT)}, {"role": "user", "content": draw(CONTENT)}]
            continue
        calls = draw(CALLS)
        found.append({"role": "assistant", "content": draw(st.none() | TEXT), "tool_calls": calls})
        found += [{"role": "tool", "tool_call_id": call["id"], "content": draw(CONTENT)} for call in calls]
        if draw(st.booleans()):
            found.append({"role": "user", "content": draw(CONTENT)})
    return found


SCHEMAS = st.builds(
    lambda names, closed: {
        "type": "object",
        "properties": {name: {"type": "string"} for name in names},
        **({"additionalProperties": False} if closed else {}),
    },
    st.lists(NAMES, max_size=3, unique=True),
    st.booleans(),
)


def tool(name: str, description: str | None, schema: Json) -> Json:
    """A function."""
    said = {"description": description} if description else {}
    return {"type": "function", "function": {"name": name, **said, "parameters": schema}}


def schema_format(schema: Json) -> Json:
    """JSON of a schema."""
    strict = "additionalProperties" in schema
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": strict}}


@st.composite
def requests(draw: st.DrawFn) -> Json:
    """A chat request in the form that comes back as it went."""
    system = draw(st.none() | TEXT | st.lists(TEXT.map(lambda one: part("text", one)), min_size=2, max_size=3))
    first = [{"role": "system", "content": system}] if system else []
    request: Json = {"messages": first + draw(turns()), "max_tokens": draw(st.integers(1, 10**5))}
    tools = draw(st.lists(st.builds(tool, NAMES, st.none() | TEXT, SCHEMAS), max_size=3))
    if tools:
        request["tools"] = tools
        named = {"type": "function", "function": {"name": tools[0]["function"]["name"]}}
        choice = draw(st.sampled_from([None, "auto", "none", "required", named]))
        if choice:
            request["tool_choice"] = choice
            if choice != "none" and draw(st.booleans()):
                request["parallel_tool_calls"] = False
    optional = {
        "response_format": st.just({"type": "json_object"}) | SCHEMAS.map(schema_format),
        "stop": st.lists(NAMES, min_size=1, max_size=3),
        "stream": st.just(True),
        "top_k": st.integers(1, 100),
    }
    for field, values in optional.items():
        if draw(st.booleans()):
            request[field] = draw(values)
    either = draw(st.sampled_from(["temperature", "top_p", None]))
    if either:
        request[either] = draw(st.floats(0, 1))
    return request


@st.composite
def answers(draw: st.DrawFn) -> Json:
    """A message in the form that comes back as it went."""
    blocks: list[Json] = [{"type": "text", "text": text} for text in draw(st.lists(TEXT, max_size=1))]
    thought = draw(st.none() | TEXT)
    if thought:
        blocks.insert(0, {"type": "thinking", "thinking": thought, "signature": ""})
    blocks += [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": json.loads(call["function"]["arguments"]),
        }
        for call in draw(st.just([]) | CALLS)
    ]
    stop = draw(st.sampled_from(["end_turn", "stop_sequence", "max_tokens", "tool_use", "refusal"]))
    return {
        "id": draw(IDS),
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": draw(NAMES) if stop == "stop_sequence" else None,
        "usage": {
            "input_tokens": draw(COUNTS),
            "cache_read_input_tokens": draw(COUNTS),
            "cache_creation_input_tokens": draw(COUNTS),
            "output_tokens": draw(COUNTS),
        },
    }


def told(message: Json, sizes: Sequence[int]) -> list[Json]:
    """The events by which a message is streamed, its texts in pieces of these sizes, pings in between."""
    usage = message["usage"]
    start = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**usage, "output_tokens": 1},
    }
    events: list[Json] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(message["content"]):
        empty, delta, text = _streamed(block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        at = 0
        for size in (*sizes, len(text)):
            if piece := text[at : at + size]:
                field, name = delta
                events.append({"type": "content_block_delta", "index": index, "delta": {"type": name, field: piece}})
            at += size
        events.append({"type": "content_block_stop", "index": index})
    delta_of = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    used = {"output_tokens": usage["output_tokens"]}
    return [*events, {"type": "message_delta", "delta": delta_of, "usage": used}, {"type": "message_stop"}]


def _streamed(block: Json) -> tuple[Json, tuple[str, str], str]:
    if block["type"] == "tool_use":
        text = json.dumps(block["input"], ensure_ascii=False, separators=(",", ":")) if block["input"] else ""
        return {**block, "input": {}}, ("partial_json", "input_json_delta"), text
    kind = block["type"]
    return {**block, kind: ""}, (kind, f"{kind}_delta"), block[kind]


def heard(events: Sequence[Json]) -> Json:
    """What Anthropic's client makes of a stream of events."""
    message: Json = {}
    partial = ""
    for event in events:
        match event["type"]:
            case "message_start":
                message = {**event["message"], "content": [], "usage": dict(event["message"]["usage"])}
            case "content_block_start":
                message["content"].append(dict(event["content_block"]))
                partial = ""
            case "content_block_delta":
                delta, block = event["delta"], message["content"][event["index"]]
                if delta["type"] == "input_json_delta":
                    partial += delta["partial_json"]
                    continue
                kind = block["type"]
                block[kind] += delta[kind]
            case "content_block_stop" if message["content"][event["index"]]["type"] == "tool_use":
                message["content"][event["index"]]["input"] = json.loads(partial or "{}")
            case "message_delta":
                message |= event["delta"]
                message["usage"] |= event["usage"]
    return message


def assembled(chunks: Sequence[Json]) -> Json:
    """What OpenAI's client makes of a stream of chunks: the choice of a completion, and the usage."""
    spoken: Json = {"content": "", "reasoning_content": "", "tool_calls": []}
    found: Json = {}
    for chunk in chunks:
        found["usage"] = chunk.get("usage") or found.get("usage")
        for choice in chunk["choices"]:
            delta = choice["delta"]
            for field in ("content", "reasoning_content"):
                spoken[field] += delta.get(field) or ""
            for call in delta.get("tool_calls") or []:
                if call["index"] == len(spoken["tool_calls"]):
                    spoken["tool_calls"].append({"id": call["id"], "name": call["function"]["name"], "arguments": ""})
                spoken["tool_calls"][call["index"]]["arguments"] += call["function"].get("arguments") or ""
            found["finish_reason"] = choice["finish_reason"] or found.get("finish_reason")
            found["stop_reason"] = choice.get("stop_reason") or found.get("stop_reason")
    return {**found, **spoken}
