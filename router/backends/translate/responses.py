"""A chat's answer → a Responses object, whole or event by event, as OpenAI's clients for it assemble one.

Each item is opened, told piece by piece, and closed before the next one is; the last event has everything again. What a
model thought before it spoke is left out. Neighbour: :mod:`router.backends.translate.items` took the request here.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.backends.translate.blocks import Json

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_CALLED = "response.function_call_arguments"


def response_of(completion: Json) -> Json:
    """A chat completion → a response: what its stream would have ended with."""
    [choice] = completion["choices"]
    said = choice["message"]
    calls = [{"index": at, **call} for at, call in enumerate(said.get("tool_calls") or [])]
    telling = Telling(completion["model"], completion["created"])
    for delta in ({"content": said.get("content")}, {"tool_calls": calls}):
        telling.feed({**completion, "choices": [{"delta": delta, "finish_reason": choice.get("finish_reason")}]})
    response: Json = telling.end()[-1]["response"]
    return response


class Telling:
    """Follows one chat stream; :meth:`feed` gives the events that a chunk becomes."""

    def __init__(self, model: str, created: int) -> None:
        """``model`` as the caller knows it, ``created`` in seconds since 1970."""
        self._response: Json = {
            "id": "",
            "object": "response",
            "created_at": created,
            "model": model,
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": None,
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": None,
        }
        self._told = 0
        self._items: list[Json] = []
        self._open: object = None
        """What is being written: ``text``, or the index of a tool call."""
        self._finish = ""

    def feed(self, chunk: Json) -> list[Json]:
        """The events that a chunk becomes."""
        found = [] if self._told else [*self._begin(chunk.get("id") or "")]
        if chunk.get("usage"):
            self._response["usage"] = _usage(chunk["usage"])
        for choice in chunk["choices"]:
            if text := choice["delta"].get("content"):
                found += self._text(text)
            for call in choice["delta"].get("tool_calls") or []:
                found += self._call(call)
            self._finish = choice.get("finish_reason") or self._finish
        return found

    def end(self) -> list[Json]:
        """The events that the stream's end becomes."""
        why = _INCOMPLETE.get(self._finish)
        status = "incomplete" if why else "completed"
        closed = [*self._close(status)]
        done = {"status": status, "incomplete_details": {"reason": why} if why else None, "output": self._items}
        return [*closed, self._event(f"response.{status}", response={**self._response, **done})]

    def _event(self, kind: str, **fields: object) -> Json:
        self._told += 1
        return {"type": kind, "sequence_number": self._told - 1, **fields}

    def _begin(self, told_id: str) -> Iterator[Json]:
        self._response["id"] = told_id
        for kind in ("response.created", "response.in_progress"):
            yield self._event(kind, response={**self._response})

    def _text(self, text: str) -> Iterator[Json]:
        if self._open != "text":
            yield from self._close("completed")
            yield from self._begin_item("text", {"type": "message", "role": "assistant", "content": []})
            yield self._event("response.content_part.added", **self._place, content_index=0, part=_part(""))
            self._items[-1]["content"] = [_part("")]
        self._items[-1]["content"][0]["text"] += text
        yield self._event("response.output_text.delta", **self._place, content_index=0, delta=text, logprobs=[])

    def _call(self, call: Json) -> Iterator[Json]:
        function = call.get("function") or {}
        if self._open != call["index"]:
            yield from self._close("completed")
            item = {"type": "function_call", "call_id": call.get("id") or "", "name": function.get("name") or ""}
            yield from self._begin_item(call["index"], {**item, "arguments": ""})
        if piece := function.get("arguments"):
            self._items[-1]["arguments"] += piece
            yield self._event(f"{_CALLED}.delta", **self._place, delta=piece)

    @property
    def _place(self) -> Json:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}

    def _begin_item(self, what: object, item: Json) -> Iterator[Json]:
        self._open = what
        self._items.append({"id": f"item_{len(self._items)}", "status": "in_progress", **item})
        yield self._event("response.output_item.added", output_index=len(self._items) - 1, item={**self._items[-1]})

    def _close(self, status: str) -> Iterator[Json]:
        """Tell the item that is open as a whole."""
        if self._open is None:
            return
        item, self._open = self._items[-1], None
        item["status"] = status
        if item["type"] == "message":
            [part] = item["content"]
            at = {**self._place, "content_index": 0}
            yield self._event("response.output_text.done", **at, text=part["text"], logprobs=[])
            yield self._event("response.content_part.done", **at, part=part)
        else:
            yield self._event(f"{_CALLED}.done", **self._place, name=item["name"], arguments=item["arguments"])
        yield self._event("response.output_item.done", output_index=len(self._items) - 1, item=item)


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _usage(usage: Json) -> Json:
    details = usage.get("prompt_tokens_details") or {}
    cached, written = details.get("cached_tokens") or 0, details.get("cache_creation_tokens") or 0
    return {
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage["total_tokens"],
    }
