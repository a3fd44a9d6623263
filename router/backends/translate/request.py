"""A chat request → a Messages request, and back.

What Claude has no word for and only shapes the sampling (``seed``, penalties, ``min_p`` …) is dropped, and so is what
need not leave the site (``user``, ``metadata``, names of speakers).
"""

from __future__ import annotations

from router.backends.translate.blocks import (
    Json,
    as_blocks,
    blocks_of,
    call_of,
    parts_of,
    result_block,
    text_block,
    tool_message,
    untranslatable,
    use_block,
)
from router.backends.translate.tools import from_choice, from_format, to_choice, to_format, to_function, to_tool

GO_ON = "Go on."
"""Stands first where a conversation begins with the assistant; the Messages API wants the user there."""
_ONLY_HERE = ("logprobs", "top_logprobs", "logit_bias", "ignore_eos", "min_tokens", "stop_token_ids")


def obstacle(request: Json) -> str | None:
    """The field for which a chat request cannot be put to the Messages API; None when it can.

    Cheap enough to ask before deciding; what hides deeper (an image's format) shows in :func:`to_messages`.
    """
    if (request.get("n") or 1) > 1:
        return "n"
    return next((field for field in _ONLY_HERE if request.get(field)), None)


def to_messages(request: Json, answer_tokens: int) -> Json:
    """A chat request → a Messages request; ``answer_tokens`` bound an answer that the caller did not bound.

    Raises:
        UntranslatableError: it asks for something that Claude does not have.

    """
    if field := obstacle(request):
        raise untranslatable(field, "Claude has no such thing")
    system, turns = _conversation(request["messages"])
    output_config, said = to_format(request.get("response_format") or {"type": "text"})
    if not turns:
        turns, system = [{"role": "user", "content": system}], []
    found: Json = {
        "messages": turns,
        "max_tokens": request.get("max_completion_tokens") or request.get("max_tokens") or answer_tokens,
        "system": [*system, *([said] if said else [])],
        "tools": [to_tool(tool) for tool in request.get("tools") or []],
        "output_config": output_config,
        "stop_sequences": _stops(request.get("stop")),
        "stream": request.get("stream"),
        **_sampling(request),
    }
    if found["tools"]:
        found["tool_choice"] = to_choice(request)
    return {field: value for field, value in found.items() if value not in (None, []) and value is not False}


def _sampling(request: Json) -> Json:
    """Newer models take one of temperature and top_p, and no temperature above 1."""
    temperature, top_k = request.get("temperature"), request.get("top_k")
    found: Json = {} if top_k is None or top_k < 1 else {"top_k": top_k}
    if temperature is not None:
        return {**found, "temperature": float(min(temperature, 1))}
    return {**found, "top_p": request.get("top_p")}


def _stops(stop: str | list[str] | None) -> list[str]:
    stops = [stop] if isinstance(stop, str) else stop or []
    if any(not one.strip() for one in stops):
        msg = "stop"
        raise untranslatable(msg, "Claude does not stop at white space alone")
    return stops


def _conversation(messages: list[Json]) -> tuple[list[Json], list[Json]]:
    """The system prompt, and turns that alternate: tool results belong into one turn of the user's."""
    system: list[Json] = []
    turns: list[Json] = []
    last_id = ""
    for index, message in enumerate(messages):
        role = message["role"]
        if role in {"system", "developer"}:
            system += blocks_of(message.get("content"))
        elif role == "assistant":
            blocks = _assistant(message, f"call_{index}")
            last_id = next((block["id"] for block in reversed(blocks) if block["type"] == "tool_use"), last_id)
            _add(turns, "assistant", blocks)
        elif role == "user":
            _add(turns, "user", blocks_of(message.get("content")))
        else:
            _add(turns, "user", [result_block(message.get("tool_call_id") or last_id, message.get("content"))])
    if turns and turns[0]["role"] == "assistant":
        turns.insert(0, {"role": "user", "content": [text_block(GO_ON)]})
    return system, turns


def _add(turns: list[Json], role: str, blocks: list[Json]) -> None:
    if blocks and turns and turns[-1]["role"] == role:
        turns[-1]["content"] += blocks
    elif blocks:
        turns.append({"role": role, "content": blocks})


def _assistant(message: Json, spare_id: str) -> list[Json]:
    blocks = blocks_of(message.get("content")) or blocks_of(message.get("refusal"))
    calls = message.get("tool_calls") or []
    if message.get("function_call"):
        calls = [*calls, {"function": message["function_call"]}]
    uses = [use_block(call.get("id") or f"{spare_id}_{at}", call["function"]) for at, call in enumerate(calls)]
    return blocks + uses


def to_chat(request: Json) -> Json:
    """A Messages request → a chat request.

    Raises:
        UntranslatableError: it names an image elsewhere, or a tool that runs at the vendor's.

    """
    system = as_blocks(request.get("system"))
    turns: list[Json] = []
    for message in request["messages"]:
        if message["role"] == "system":
            system = [*system, *as_blocks(message["content"])]
        else:
            turns += _turn(message)
    response_format, system = from_format(request.get("output_config"), system)
    first = [{"role": "system", "content": parts_of(system)}] if system else []
    found: Json = {
        "messages": first + turns,
        "max_tokens": request["max_tokens"],
        "response_format": response_format,
        "tools": [to_function(tool) for tool in request.get("tools") or []],
        "stop": request.get("stop_sequences"),
        **{field: request.get(field) for field in ("temperature", "top_p", "top_k", "stream")},
        **(from_choice(request["tool_choice"]) if request.get("tool_choice") else {}),
    }
    return {field: value for field, value in found.items() if value not in (None, []) or field == "parallel_tool_calls"}


def _turn(message: Json) -> list[Json]:
    blocks = as_blocks(message["content"])
    if message["role"] == "assistant":
        calls = [call_of(block) for block in blocks if block["type"] == "tool_use"]
        said = parts_of(blocks)
        return [{"role": "assistant", "content": said or None, **({"tool_calls": calls} if calls else {})}]
    results = [tool_message(block) for block in blocks if block["type"] == "tool_result"]
    rest = parts_of(block for block in blocks if block["type"] != "tool_result")
    return [*results, *([{"role": "user", "content": rest}] if rest else [])]
