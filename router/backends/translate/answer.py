"""A whole answer, why it ended, and what it used, in both APIs."""

from __future__ import annotations

from router.backends.translate.blocks import Json, call_of, parts_of, text_block, use_block

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "pause_turn": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""Every stop reason of the Messages API → OpenAI's. A paused turn is one that could go on, like one cut by a limit."""
_STOPPED = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def finish_of(message: Json) -> Json:
    """``finish_reason``, and ``stop_reason`` as vLLM has it: the stop sequence that was met."""
    met = message.get("stop_sequence")
    return {
        "finish_reason": FINISH.get(message.get("stop_reason") or "", "stop"),
        **({"stop_reason": met} if met else {}),
    }


def stop_of(choice: Json) -> Json:
    """The way back."""
    met, reason = choice.get("stop_reason"), _STOPPED.get(choice.get("finish_reason") or "", "end_turn")
    if isinstance(met, str) and reason == "end_turn":
        return {"stop_reason": "stop_sequence", "stop_sequence": met}
    return {"stop_reason": reason, "stop_sequence": None}


def usage_to_openai(usage: Json) -> Json:
    """Anthropic counts what its cache read and wrote apart from ``input_tokens``; OpenAI's prompt holds all."""
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    prompt = (usage.get("input_tokens") or 0) + read + written
    completion = usage.get("output_tokens") or 0
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_creation_tokens": written},
    }


def usage_to_anthropic(usage: Json) -> Json:
    """The way back."""
    details = usage.get("prompt_tokens_details") or {}
    read, written = details.get("cached_tokens") or 0, details.get("cache_creation_tokens") or 0
    return {
        "input_tokens": max(0, (usage.get("prompt_tokens") or 0) - read - written),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        "output_tokens": usage.get("completion_tokens") or 0,
    }


def to_completion(message: Json, model: str, created: int) -> Json:
    """A message → a chat completion; ``created`` in seconds since 1970."""
    blocks = message.get("content") or []
    said = "".join(block["text"] for block in blocks if block["type"] == "text")
    thought = "".join(block["thinking"] for block in blocks if block["type"] == "thinking")
    calls = [call_of(block) for block in blocks if block["type"] == "tool_use"]
    spoken: Json = {"role": "assistant", "content": said or (None if calls else ""), "refusal": None}
    if thought:
        spoken["reasoning_content"] = thought
    if calls:
        spoken["tool_calls"] = calls
    return {
        "id": message.get("id") or "",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": spoken, "logprobs": None, **finish_of(message)}],
        "usage": usage_to_openai(message.get("usage") or {}),
    }


def to_message(completion: Json, model: str) -> Json:
    """A chat completion → a message."""
    choice = completion["choices"][0]
    spoken = choice["message"]
    blocks: list[Json] = []
    if thought := spoken.get("reasoning_content") or spoken.get("reasoning"):
        blocks.append({"type": "thinking", "thinking": thought, "signature": ""})
    content = spoken.get("content") or spoken.get("refusal") or ""
    if said := content if isinstance(content, str) else parts_of(content):
        blocks.append(text_block(str(said)))
    for at, call in enumerate(spoken.get("tool_calls") or []):
        blocks.append(use_block(call.get("id") or f"call_{at}", call["function"]))
    return {
        "id": completion.get("id") or "",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": blocks,
        **stop_of(choice),
        "usage": usage_to_anthropic(completion.get("usage") or {}),
    }
