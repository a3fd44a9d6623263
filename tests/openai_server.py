"""A small OpenAI-compatible server with fixed answers, in the test's own process: what a ``url`` model points at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat
from threading import Thread
from typing import Any

WORDS = ("Hel", "lo", " world")
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    replicas: Iterator[int]
    """What each look at the metrics finds."""

    def do_GET(self) -> None:
        if self.path == "/metrics":
            self._send("text/plain", f'freehold_replicas{{model="stub"}} {next(self.replicas)}.0\n'.encode())
            return
        self._json({"object": "list", "data": [{"id": "stub", "object": "model"}], "status": "ok"})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = str(request.get("messages", [{}])[-1].get("content", ""))
        if "refuse" in text:
            self._json({"error": {"message": "this server refuses", "type": "invalid_request_error"}}, 400)
        elif self.path.endswith("/embeddings"):
            self._json({"object": "list", "data": [{"index": 0, "embedding": [0.6, 0.8]}], "usage": USAGE})
        elif request.get("stream"):
            self._stream(whole="break off" not in text)
        else:
            message = {"role": "assistant", "content": "".join(WORDS)}
            self._json({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": USAGE})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""

    def _json(self, body: object, status: int = 200) -> None:
        self._send("application/json", json.dumps(body).encode(), status)

    def _send(self, kind: str, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.send_header("x-freehold-model", "stub")
        self.send_header("x-freehold-tier", "small")
        self.send_header("x-freehold-reason", "short")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, *, whole: bool) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("x-freehold-model", "stub")
        self.end_headers()
        for chunk in self._chunks():
            self._piece(f"data: {json.dumps(chunk)}\n\n".encode())
        if whole:
            self._piece(b"data: [DONE]\n\n")
        self._piece(b"")

    def _piece(self, content: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(content), content))

    @staticmethod
    def _chunks() -> Iterator[dict[str, Any]]:
        yield {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
        for word in WORDS:
            yield {"choices": [{"index": 0, "delta": {"content": word}}]}
        yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        yield {"choices": [], "usage": USAGE}


@contextmanager
def openai_server(replicas: Sequence[int] = (1,)) -> Iterator[str]:
    """Run the server; gives its base URL. ``replicas``: of its model, by one look at its metrics after the other."""
    looks = chain(replicas, repeat(replicas[-1]))
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Server", (_Answers,), {"replicas": looks}))
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
