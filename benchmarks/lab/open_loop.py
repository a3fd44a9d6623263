"""Latency at a given rate: requests leave at moments drawn beforehand, whether or not earlier ones were answered.

``python -m benchmarks.lab.open_loop --url URL --rate N --seconds S`` with the body on stdin. Arrivals are Poisson and
seeded. Invariant: latency counts from the intended moment, so a server (or this generator) that falls behind is seen
to be late instead of being asked less. A loop of its own on ``select``, because event loops wake in whole milliseconds.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import re
import select
import socket
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import urlsplit

_LENGTH: Final = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TIMER_SLACK: Final = 29
"""``PR_SET_TIMERSLACK``: without it Linux may wake us 50 µs late."""
_CONNECTIONS: Final = 48
_PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Latency:
    """What the callers of an open loop saw."""

    answers: int
    per_second: float
    """Answers a second; below the asked rate when someone could not keep up."""
    p50_ms: float
    p99_ms: float
    worst_ms: float


class _Lane:
    """One connection with at most one request on it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._seen = b""

    def fileno(self) -> int:
        """What ``select`` waits for."""
        return self.socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        """Ask; ``due`` is when this should have happened."""
        self.due, self._seen = due, b""
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        """Read what is there; true at the end of the answer. Raises ``RuntimeError`` unless it is a 200."""
        piece = self.socket.recv(1 << 16)
        self._seen += piece
        head = self._seen.find(b"\r\n\r\n")
        if not piece or (head > 0 and not self._seen.startswith(b"HTTP/1.1 200")):
            msg = f"not a 200: {self._seen[:200]!r}"
            raise RuntimeError(msg)
        length = _LENGTH.search(self._seen, 0, head) if head > 0 else None
        if length:
            return len(self._seen) >= head + 4 + int(length[1])
        return head > 0 and self._seen.endswith(b"\r\n0\r\n\r\n")


def moments(rate: float, seconds: float, seed: int = 1) -> list[float]:
    """Poisson arrivals, in seconds from the start."""
    draw, at, found = random.Random(seed), 0.0, []  # noqa: S311  load, not secrets
    while (at := at + draw.expovariate(rate)) < seconds:
        found.append(at)
    return found


def drive(address: tuple[str, int], request: bytes, arrivals: list[float]) -> Latency:
    """Send at the given moments and wait for every answer."""
    with ExitStack() as opened:
        lanes = [_Lane(address) for _ in range(_CONNECTIONS)]
        for lane in lanes:
            opened.callback(lane.socket.close)
        return _drive(lanes, request, arrivals)


def _drive(idle: list[_Lane], request: bytes, arrivals: list[float]) -> Latency:
    busy: list[_Lane] = []
    late: list[float] = []
    start, sent = time.perf_counter(), 0
    while len(late) < len(arrivals):
        now = time.perf_counter() - start
        while sent < len(arrivals) and idle and arrivals[sent] <= now:
            busy.append(idle.pop())
            busy[-1].send(request, arrivals[sent])
            sent += 1
        wait = max(0.0, arrivals[sent] - time.perf_counter() + start) if sent < len(arrivals) and idle else _PATIENCE
        for lane in select.select(busy, (), (), wait)[0]:
            if lane.is_answered():
                late.append(time.perf_counter() - start - lane.due)
                busy.remove(lane)
                idle.append(lane)
    return _summary(late, time.perf_counter() - start)


def _summary(late: list[float], seconds: float) -> Latency:
    cuts = statistics.quantiles(late, n=100)
    return Latency(len(late), len(late) / seconds, cuts[49] * 1e3, cuts[98] * 1e3, max(late) * 1e3)


def request_bytes(url: str, body: bytes, headers: Sequence[str] = ()) -> tuple[tuple[str, int], bytes]:
    """Where to connect and what to send for a POST of JSON; ``headers`` are further lines of its head."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json", *headers]
    head = "".join(f"{line}\r\n" for line in lines)
    return (str(parts.hostname), parts.port or 80), head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


def main() -> None:
    """Read the arguments, drive, print one JSON object."""
    parser = argparse.ArgumentParser(description="open-loop latency")
    parser.add_argument("--url", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--header", action="append", default=[], help="a further line of the head")
    asked = parser.parse_args()
    ctypes.CDLL(None).prctl(_TIMER_SLACK, 1)
    address, request = request_bytes(asked.url, sys.stdin.buffer.read(), asked.header)
    print(json.dumps(asdict(drive(address, request, moments(asked.rate, asked.seconds)))))


if __name__ == "__main__":
    main()
