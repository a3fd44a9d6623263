"""The paths of vLLM's server that a simulated engine answers, whatever HTTP server stands before it.

Not covered: Responses, scores, tool calls, structured output; see ``docs/rehearse.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

import orjson

from serving.simulated import asked, shapes
from serving.simulated.answers import JSON, Reply
from serving.simulated.asked import Ask, RefusedError
from serving.simulated.engine import Engine
from serving.simulated.messages import counted
from serving.simulated.metrics import page

_TEXT = b"text/plain; version=1.0.0; charset=utf-8"
_NOT_FOUND = (404, JSON, b'{"detail":"Not Found"}')
_NOT_ALLOWED = (405, JSON, b'{"detail":"Method Not Allowed"}')
VERSION = "0.32.0"
"""Of the vLLM whose surface this is."""
_GENERATING: Mapping[str, Callable[[bytes], Ask]] = {
    "/v1/chat/completions": asked.chat,
    "/v1/completions": asked.completion,
    "/v1/embeddings": asked.embedding,
    "/v1/messages": asked.message,
}
_COUNTING = ("/tokenize", "/v1/messages/count_tokens")
_READ = ("/v1/models", "/health", "/ping", "/version", "/metrics")

Leave = Callable[[], None]
"""To be called when the client has gone before its answer was complete."""


class Api:
    """The replicas of one or several models, each below a prefix."""

    def __init__(self, models: Mapping[str, Sequence[Engine]]) -> None:
        """``models``: a prefix such as ``/small``, or an empty one, and the replicas behind it."""
        self._models = models
        self._created = int(time.time())

    def serve(self, method: str, path: str, body: bytes, reply: Reply) -> Leave | None:
        """Answer one request, now or when its tokens are there."""
        for prefix, replicas in self._models.items():
            if path.startswith(prefix + "/"):
                return self._serve(replicas, method, path.removeprefix(prefix), body, reply)
        reply.whole(*_NOT_FOUND)
        return None

    def _serve(self, replicas: Sequence[Engine], method: str, path: str, body: bytes, reply: Reply) -> Leave | None:
        if path not in (*_GENERATING, *_READ, *_COUNTING):
            reply.whole(*_NOT_FOUND)
        elif (method in {"GET", "HEAD"}) != (path in _READ):
            reply.whole(*_NOT_ALLOWED)
        elif path in _READ:
            body = b"" if method == "HEAD" else self._read(replicas, path)
            reply.whole(200, _TEXT if path == "/metrics" else JSON, body)
        else:
            try:
                return self._ask(replicas, path, body, reply)
            except RefusedError as refused:
                reply.whole(refused.status, JSON, orjson.dumps(refused.body))
        return None

    def _read(self, replicas: Sequence[Engine], path: str) -> bytes:
        simulation = replicas[0].simulation
        if path == "/metrics":
            return page(replica.metrics for replica in replicas)
        if path == "/v1/models":
            return shapes.models((simulation.model, *simulation.adapters), simulation.context_length, self._created)
        return orjson.dumps({"version": VERSION}) if path == "/version" else b""

    def _ask(self, replicas: Sequence[Engine], path: str, body: bytes, reply: Reply) -> Leave | None:
        simulation = replicas[0].simulation
        if path == "/tokenize":
            tokens, as_strings = asked.to_tokenize(body)
            reply.whole(200, JSON, shapes.counted(tokens, simulation.context_length, as_strings=as_strings))
            return None
        if path == "/v1/messages/count_tokens":
            reply.whole(200, JSON, counted(asked.to_count(body)))
            return None
        ask = _GENERATING[path](body)
        if ask.model not in {None, "", simulation.model, *simulation.adapters}:
            msg = f"The model `{ask.model}` does not exist. Valid aliases: {simulation.model}."
            raise RefusedError(msg, "model", 404)
        replica = min(replicas, key=lambda one: one.load)
        answer = replica.submit(ask, reply)
        return lambda: replica.abort(answer)
