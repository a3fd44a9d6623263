"""A chat stream, chunk by chunk, → a Messages stream, event by event."""

from __future__ import annotations

from router.backends.translate.answer import stop_of, usage_to_anthropic
from router.backends.translate.blocks import Json, safe_id

_EMPTY: dict[str, Json] = {
    "text": {"type": "text", "text": ""},
    "thinking": {"type": "thinking", "thinking": "", "signature": ""},
}
_DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}


class Events:
    """Follows one stream; blocks come one after another, so what opens one closes the one before."""

    def __init__(self, model: str) -> None:
        """``model`` as the caller knows it."""
        self._model = model
        self._begun = False
        self._blocks = 0
        self._open: object = None
        """What is being written: ``text``, ``thinking``, or the index of a tool call."""
        self._stop: Json = stop_of({})
        self._usage: Json = {}

    def feed(self, chunk: Json) -> list[Json]:
        """The events that a chunk becomes."""
        found = [] if self._begun else [self._start(chunk)]
        if chunk.get("usage"):
            self._usage = chunk["usage"]
        for choice in chunk.get("choices") or []:
            delta = choice.get("delta") or {}
            found += self._text("thinking", delta.get("reasoning_content") or delta.get("reasoning") or "")
            found += self._text("text", delta.get("content") or delta.get("refusal") or "")
            for call in delta.get("tool_calls") or []:
                found += self._call(call)
            if choice.get("finish_reason"):
                self._stop = stop_of(choice)
        return found

    def end(self) -> list[Json]:
        """The events that ``[DONE]`` becomes."""
        delta = {"type": "message_delta", "delta": self._stop, "usage": usage_to_anthropic(self._usage)}
        return [*self._close(), delta, {"type": "message_stop"}]

    def _start(self, chunk: Json) -> Json:
        self._begun = True
        message: Json = {
            "id": chunk.get("id") or "",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return {"type": "message_start", "message": message}

    def _text(self, kind: str, text: str) -> list[Json]:
        if not text:
            return []
        opened = [] if self._open == kind else self._begin(kind, _EMPTY[kind])
        name, field = _DELTAS[kind]
        return [*opened, self._delta({"type": name, field: text})]

    def _call(self, call: Json) -> list[Json]:
        function = call.get("function") or {}
        found: list[Json] = []
        index = call.get("index", 0)
        if self._open != index:
            call_id = safe_id(call.get("id") or f"call_{index}")
            block: Json = {"type": "tool_use", "id": call_id, "name": function.get("name") or "", "input": {}}
            found = self._begin(index, block)
        if arguments := function.get("arguments"):
            found.append(self._delta({"type": "input_json_delta", "partial_json": arguments}))
        return found

    def _begin(self, what: object, block: Json) -> list[Json]:
        closed = self._close()
        self._open = what
        return [*closed, {"type": "content_block_start", "index": self._blocks, "content_block": block}]

    def _delta(self, delta: Json) -> Json:
        return {"type": "content_block_delta", "index": self._blocks, "delta": delta}

    def _close(self) -> list[Json]:
        if self._open is None:
            return []
        self._open = None
        self._blocks += 1
        return [{"type": "content_block_stop", "index": self._blocks - 1}]
