"""Many paced streams at once, read by one process that is cheap enough not to be the slow one.

``python -m benchmarks.lab.streams --url URL --streams N --chunks M`` with the body on stdin. A stall is a pause of more
than :data:`STALL` seconds between two arrivals on one stream; the engine paces at 0.05 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass
from typing import Final, cast

import uvloop

from benchmarks.lab.open_loop import request_bytes

STALL: Final = 0.25
_RAMP: Final = 0.002
"""Seconds between two starts, so that streams do not march in step."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What the readers of all streams saw."""

    complete: int
    """Streams that brought every chunk and ``[DONE]``."""
    stalls: int
    worst_gap_ms: float
    worst_first_ms: float
    """The longest wait for a first byte."""
    chunks_per_second: float
    cpu_share: float
    """Of one core, by this reader; near 1 means that its figures are its own fault."""


class _Reader(asyncio.Protocol):
    """One stream on a connection of its own."""

    def __init__(self, request: bytes, expected: int) -> None:
        self._request = request
        self._expected = expected
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.events = self.stalls = 0
        self.worst = self.first = 0.0
        self._last = 0.0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)
        self._last = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        gap, self._last = now - self._last, now
        if not self.first:
            self.first = gap
        elif gap > self.worst:
            self.worst = gap
            self.stalls += gap > STALL
        elif gap > STALL:
            self.stalls += 1
        self.events += data.count(b"data: ")
        self._tail = data if len(data) > 64 else self._tail[-64:] + data  # noqa: PLR2004  holds the end of any stream
        if data.endswith(b"0\r\n\r\n"):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        self.ended.set_result(None)

    @property
    def is_complete(self) -> bool:
        """Whether all chunks and the end arrived."""
        return self.events == self._expected and b"[DONE]" in self._tail


async def read(url: str, body: bytes, streams: int, chunks: int) -> Flow:
    """Open the streams one after the other and read all of them to their ends."""
    (host, port), request = request_bytes(url, body)
    loop = asyncio.get_running_loop()
    readers: list[_Reader] = []
    begin, cpu = time.perf_counter(), time.process_time()
    for number in range(streams):
        _, reader = await loop.create_connection(lambda: _Reader(request, chunks + 1), host, port)
        readers.append(reader)
        await asyncio.sleep(max(0.0, begin + (number + 1) * _RAMP - time.perf_counter()))
    await asyncio.gather(*(reader.ended for reader in readers))
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return Flow(
        complete=sum(reader.is_complete for reader in readers),
        stalls=sum(reader.stalls for reader in readers),
        worst_gap_ms=max(reader.worst for reader in readers) * 1e3,
        worst_first_ms=max(reader.first for reader in readers) * 1e3,
        chunks_per_second=sum(reader.events for reader in readers) / seconds,
        cpu_share=cpu / seconds,
    )


def main() -> None:
    """Read the arguments, then the streams, and print one JSON object."""
    parser = argparse.ArgumentParser(description="many paced streams")
    parser.add_argument("--url", required=True)
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--chunks", type=int, required=True)
    asked = parser.parse_args()
    flow = uvloop.run(read(asked.url, sys.stdin.buffer.read(), asked.streams, asked.chunks))
    print(json.dumps(asdict(flow)))


if __name__ == "__main__":
    main()
