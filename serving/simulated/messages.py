"""Anthropic's Messages as vLLM 0.32 answers them: the same tokens as a chat, in other events.

Neighbour: :mod:`serving.simulated.answers` has OpenAI's dialects and what is common.
"""

from __future__ import annotations

import orjson

from serving.simulated.answers import JSON, STREAM, Answer
from serving.simulated.script import Script
from serving.simulated.shapes import Json

_BEFORE, _, _AFTER = (
    b"event: content_block_delta\ndata: "
    + orjson.dumps({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "\0"}})
    + b"\n\n"
).partition(b'"\\u0000"')


class Message(Answer):
    """An answer to ``POST /v1/messages``: one choice, one block of text."""

    def _open(self, choice: int) -> None:
        self._reply.begin(STREAM)
        message = self._message([], None) | {"usage": self._counts(0)}
        self._reply.write(_event("message_start", message=message))
        block = {"type": "text", "text": ""}
        self._reply.write(_event("content_block_start", index=choice, content_block=block))

    def _event(self, choice: int, index: int) -> bytes:
        script = self._scripts[choice]
        if not script.piece(index):
            return b""
        return _BEFORE + (script.json(index) or orjson.dumps(script.piece(index))) + _AFTER

    def _finish(self) -> None:
        [script], [sequence] = self._scripts, self.sequences
        if self.ask.stream:
            self._reply.write(_event("content_block_stop", index=0))
            self._reply.write(_event("message_delta", delta=_ending(script), usage=self._counts(sequence.produced)))
            self._reply.write(_event("message_stop"))
            self._reply.end()
        else:
            message = self._message([{"type": "text", "text": script.text()}], script)
            if script.stop_reason is None:
                del message["stop_sequence"]  # a whole answer leaves out what is null
            self._reply.whole(200, JSON, orjson.dumps(message | {"usage": self._counts(sequence.produced)}))

    def _message(self, content: list[Json], script: Script | None) -> Json:
        begun = {"id": self._head["id"], "type": "message", "role": "assistant", "content": content}
        return {**begun, "model": self._head["model"]} | _ending(script)

    def _counts(self, answered: int) -> Json:
        return {"input_tokens": self.prompt_tokens, "output_tokens": answered}


def counted(tokens: int) -> bytes:
    """``POST /v1/messages/count_tokens``."""
    return orjson.dumps({"input_tokens": tokens, "context_management": {"original_input_tokens": tokens}})


def _ending(script: Script | None) -> Json:
    if script is None:
        return {"stop_reason": None, "stop_sequence": None}
    if script.stop_reason is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": script.stop_reason}
    return {"stop_reason": "max_tokens" if script.finish == "length" else "end_turn", "stop_sequence": None}


def _event(kind: str, **content: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **content}))
