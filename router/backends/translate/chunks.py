"""A Messages stream, event by event, → a chat stream, chunk by chunk."""

from __future__ import annotations

from router.backends.translate.answer import finish_of, usage_to_openai
from router.backends.translate.blocks import Json, arguments_of


class Chunks:
    """Follows one stream; :meth:`feed` gives the chunks that an event becomes, often one, sometimes none."""

    def __init__(self, model: str, created: int) -> None:
        """``model`` as the caller knows it, ``created`` in seconds since 1970."""
        self._frame: Json = {"id": "", "object": "chat.completion.chunk", "created": created, "model": model}
        self._usage: Json = {}
        self._calls = -1
        self._spoken: Json = {}
        """The tool_use block that is under way, with ``heard`` once a piece of its input came."""
        self.complete = False
        """The last event was seen."""

    def feed(self, event: Json) -> list[Json]:
        """What an event becomes; kinds that are not known become nothing."""
        match event.get("type"):
            case "message_start":
                return self._start(event["message"])
            case "content_block_start":
                return self._begin(event["content_block"])
            case "content_block_delta":
                return self._delta(event["delta"])
            case "content_block_stop":
                return self._end()
            case "message_delta":
                self._used(event.get("usage") or {})
                return [self._chunk({}, **finish_of(event["delta"]))]
            case "message_stop":
                self.complete = True
                return [{**self._frame, "choices": [], "usage": usage_to_openai(self._usage)}]
        return []

    def _start(self, message: Json) -> list[Json]:
        self._frame["id"] = message.get("id") or ""
        self._used(message.get("usage") or {})
        return [self._chunk({"role": "assistant", "content": ""})]

    def _begin(self, block: Json) -> list[Json]:
        if block["type"] == "text":
            return [self._chunk({"content": block["text"]})] if block.get("text") else []
        if block["type"] != "tool_use":
            return []
        self._calls += 1
        self._spoken = {**block, "heard": False}
        function = {"name": block["name"], "arguments": ""}
        return [self._call({"id": block["id"], "type": "function", "function": function})]

    def _delta(self, delta: Json) -> list[Json]:
        match delta.get("type"):
            case "text_delta":
                return [self._chunk({"content": delta["text"]})]
            case "thinking_delta":
                return [self._chunk({"reasoning_content": delta["thinking"]})]
            case "input_json_delta" if delta["partial_json"]:
                self._spoken["heard"] = True
                return [self._call({"function": {"arguments": delta["partial_json"]}})]
        return []

    def _end(self) -> list[Json]:
        """A call whose input came in no pieces has it from its start on; OpenAI's clients parse the pieces."""
        block, self._spoken = self._spoken, {}
        if not block or block["heard"]:
            return []
        return [self._call({"function": {"arguments": arguments_of(block)}})]

    def _used(self, usage: Json) -> None:
        self._usage = {**self._usage, **{field: count for field, count in usage.items() if count is not None}}

    def _call(self, call: Json) -> Json:
        return self._chunk({"tool_calls": [{"index": self._calls, **call}]})

    def _chunk(self, delta: Json, finish_reason: str | None = None, **more: object) -> Json:
        return {**self._frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason, **more}]}
