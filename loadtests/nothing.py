"""An engine that does nothing, to learn what the generator itself can carry: ``python -m loadtests.nothing``.

It speaks as much of OpenAI's API as a load test needs: a stream of ``max_tokens`` chunks, one every ``--interval``
seconds, with the usage at its end; anything that is not streamed is answered at once. It prints the port that it took,
and ends when its standard input does, so that it cannot outlive who started it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final, cast

import orjson
import uvloop

HOST: Final = "127.0.0.1"
_EVENT = b'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","created":0,"model":"nothing","choices":[%b]}\n\n'
_TOKEN = _EVENT % b'{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}'
_FIRST = _EVENT % b'{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}'
_LAST = _EVENT % b'{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"length"}'
_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"x-freehold-model: nothing\r\nx-freehold-tier: small\r\nx-freehold-reason: policy\r\n\r\n"
)


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


class _Stream(asyncio.Protocol):
    """One connection; requests on it come one after another."""

    def __init__(self, interval: float) -> None:
        self._interval, self._loop = interval, asyncio.get_running_loop()
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if found and len(body) >= length:
            self._buffer = body[length:]
            self._answer(head.split(b" ", 2)[1], orjson.loads(body[:length] or b"{}"))

    def _answer(self, path: bytes, asked: dict[str, object]) -> None:
        if not asked.get("stream"):
            content = orjson.dumps({"object": path.decode(), "usage": {"prompt_tokens": 1, "completion_tokens": 0}})
            self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(content), content))
            return
        tokens = max(1, int(cast("int", asked.get("max_tokens") or asked.get("max_completion_tokens") or 16)))
        self._transport.write(_HEAD + _chunk(_FIRST))
        self._next(tokens, tokens, self._loop.time() + self._interval)

    def _next(self, left: int, tokens: int, when: float) -> None:
        if left:
            self._timer = self._loop.call_at(when, self._token, left, tokens, when)
            return
        usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":%d}}\n\n' % tokens
        self._transport.write(b"".join(map(_chunk, (_LAST, usage, b"data: [DONE]\n\n"))) + b"0\r\n\r\n")

    def _token(self, left: int, tokens: int, when: float) -> None:
        self._transport.write(_TOKEN_CHUNK)
        self._next(left - 1, tokens, when + self._interval)


_TOKEN_CHUNK: Final = _chunk(_TOKEN)


async def _serve(port: int, interval: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Stream(interval), HOST, port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - a command line
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.nothing", description="An engine that does nothing.")
    parser.add_argument("--port", type=int, default=0, help="of 127.0.0.1; 0 takes any")
    parser.add_argument("--interval", type=float, default=0.05, help="seconds between two chunks; 0.05")
    asked = parser.parse_args()
    uvloop.run(_serve(asked.port, asked.interval))


if __name__ == "__main__":
    main()
