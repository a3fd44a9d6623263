"""A do-nothing OpenAI engine: prepared bytes, sent at once, so that a measurement sees only what stands before it.

``python -m benchmarks.lab.engine --port N``. Answers ``POST …/v1/chat/completions``, ``GET …/v1/models`` and
``GET …/health``. Not covered: pipelined requests. The bytes come from :mod:`benchmarks.lab.answers`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Final, cast

import httptools
import uvloop

from benchmarks.lab import answers

INTERVAL: Final = 0.05
"""Seconds between two chunks of a paced stream."""
_SLOTS: Final = 50
"""Moments within one interval at which streams are served; a stream stays in the one it began in."""
_TICK: Final = 0.001
"""The shortest time that uvloop's timers know; a turn that comes late serves what has fallen due meanwhile."""
_HEALTHY: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Pacer:
    """Gives each paced stream its next piece every :data:`INTERVAL`, from one timer for all of them."""

    def __init__(self) -> None:
        """Start idle; the timer runs only while there are streams."""
        self._slots: list[set[Connection]] = [set() for _ in range(_SLOTS)]
        self._turn = 0
        self._due = 0.0
        self._streams = 0

    def add(self, stream: Connection) -> None:
        """Serve a stream from the next turn of its slot on."""
        if not self._streams:
            self._due = time.perf_counter()
            asyncio.get_running_loop().call_later(_TICK, self._tick)
        self._streams += 1
        self._slots[(self._turn - 1) % _SLOTS].add(stream)

    def _tick(self) -> None:
        now = time.perf_counter()
        while self._due <= now:
            slot = self._slots[self._turn % _SLOTS]
            ended = [stream for stream in slot if not stream.write_next()]
            slot.difference_update(ended)
            self._streams -= len(ended)
            self._turn += 1
            self._due += INTERVAL / _SLOTS
        if self._streams:
            asyncio.get_running_loop().call_later(_TICK, self._tick)


class Connection(asyncio.Protocol):
    """One client connection, one request at a time."""

    def __init__(self, pacer: Pacer) -> None:
        """Share the pacer with all other connections."""
        self._pacer = pacer
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._body = b""
        self._pieces: Iterator[bytes] = iter(())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket's number: pieces are written to it directly."""
        self._transport = cast("asyncio.Transport", transport)
        self._socket: int = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Forget the rest of an answer that nobody reads any more."""
        self._pieces = iter(())

    def data_received(self, data: bytes) -> None:
        """Feed the parser, which calls the ``on_…`` methods."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Keep the path and start a body."""
        self._url, self._body = url, b""

    def on_body(self, body: bytes) -> None:
        """Collect the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer, at once or paced."""
        if self._url.endswith(b"/v1/chat/completions"):
            self._chat(answers.question(self._body))
        elif self._url.endswith(b"/v1/models"):
            self._write(answers.models())
        elif self._url.endswith(b"/health"):
            self._write(_HEALTHY)
        else:
            self._write(answers.refusal(f"nothing at {self._url.decode()}"))

    def _chat(self, asked: answers.Question) -> None:
        self._pieces = iter(answers.pieces(asked))
        if asked.model == "paced" and asked.chunks:
            self._write(next(self._pieces) + next(self._pieces))
            self._pacer.add(self)
            return
        for piece in self._pieces:
            self._write(piece)

    def write_next(self) -> bool:
        """Write one more piece, the end of the stream with the last of them; false when nothing is left.

        Told with the last piece: another request may follow on the connection before its next turn.
        """
        piece = next(self._pieces, None)
        if piece is None:
            return False
        ended = piece.endswith(b"[DONE]\n\n\r\n")
        self._write(piece + next(self._pieces, b"") if ended else piece)
        return not ended

    def _write(self, data: bytes) -> None:
        """One system call a piece: a transport's ``write`` would join all pieces of a loop's turn into one packet."""
        if self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size():
            self._transport.write(data)
            return
        try:
            sent = os.write(self._socket, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._transport.abort()
            return
        if sent < len(data):
            self._transport.write(data[sent:])


async def serve(host: str, port: int) -> None:
    """Listen until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    pacer, stop = Pacer(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(lambda: Connection(pacer), host, port, backlog=4096)
    await stop.wait()
    server.close()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    asked = parser.parse_args()
    uvloop.run(serve(asked.host, asked.port))


if __name__ == "__main__":
    main()
