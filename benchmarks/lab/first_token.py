"""Time to first token on a real engine, by every way to it in turn: one process, for namespaces of its own.

``python -m benchmarks.lab.first_token --logs DIR --rounds N`` starts a tiny real vLLM in Ray Serve and the gateway,
then asks replica, HAProxy and gateway in rotating order, one request at a time, and prints flat figures as JSON. At
last it leaves streams in their middle, and sees how soon the engine has nothing to do any more.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.lab.open_loop import request_bytes
from benchmarks.lab.processes import BenchmarkError, answers, module, running
from benchmarks.lab.sides import CHAT, PROMPT
from cluster.ports import free_port

MODEL: Final = "tiny-small"
_FLEET: Final = f"""\
name: benchmark
models:
  {MODEL}:
    source: builtin:{MODEL}
    context_length: 4096
    engine_args: {{ enforce_eager: true, dtype: bfloat16, max_num_seqs: 64 }}
tiers:
  small: [{MODEL}]
"""
_REPLICA_PORTS: Final = range(30000, 30010)
_WARM_UP: Final = 20
_LEAVES: Final = 20


class Way:
    """One address that leads to the engine, asked over a connection that is kept."""

    def __init__(self, name: str, url: str, model: str) -> None:
        """``url`` is the base, without ``/v1``."""
        self.name, self._url, self._model = name, url, model
        address, _ = request_bytes(url + CHAT, b"")
        self._socket = socket.create_connection(address, timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seconds: list[float] = []

    def ask(self, number: int) -> None:
        """One streamed answer of four tokens; ``number`` makes its prompt new to the engine's prefix cache."""
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": f"{number:06d}. {PROMPT}"}],
            "stream": True,
            "max_tokens": 4,
        }
        _, request = request_bytes(self._url + CHAT, json.dumps(body).encode())
        begin = time.perf_counter()
        self._socket.sendall(request)
        seen = self._read_until(b"", b"data: ")
        self.seconds.append(time.perf_counter() - begin)
        self._read_until(seen, b"\r\n0\r\n\r\n")

    def leave(self, replica: Way) -> None:
        """Close in the middle of a stream; the seconds until the engine's own metrics say that nothing runs."""
        body = {"model": self._model, "prompt": "Hello", "stream": True, "max_tokens": 3000, "ignore_eos": True}
        address, request = request_bytes(self._url + "/v1/completions", json.dumps(body).encode())
        with socket.create_connection(address, timeout=60) as client:
            client.sendall(request)
            while not replica.busy():
                pass
        begin = time.perf_counter()
        while replica.busy():
            pass
        self.seconds.append(time.perf_counter() - begin)

    def busy(self) -> bool:
        """Whether the engine has a request running, by its own metrics."""
        with urllib.request.urlopen(f"{self._url}/metrics", timeout=60) as page:  # noqa: S310 - our own http address
            found = re.findall(r"^vllm:num_requests_running\S* (\S+)$", page.read().decode(), re.MULTILINE)
        return any(float(value) for value in found)

    def _read_until(self, seen: bytes, mark: bytes) -> bytes:
        while mark not in seen:
            piece = self._socket.recv(1 << 16)
            if not piece or (len(seen) > 12 and b" 200 " not in seen[:13]):  # noqa: PLR2004  the status line's start
                msg = f"{self.name} did not stream: {seen[:300]!r}"
                raise BenchmarkError(msg)
            seen += piece
        return seen


@contextmanager
def ways(logs: Path) -> Iterator[list[Way]]:
    """The engine and the gateway, started, with every way to ask them; ends both."""
    fleet = logs / "fleet.yaml"
    fleet.write_text(_FLEET)
    inside, outside = free_port(), free_port()
    env = {"FREEHOLD_HOME": str(logs / "home"), "FREEHOLD_DATABASE_URL": "", "SPT_NOENV": "1"}
    serving = module("serving", "--fleet", str(fleet), "--port", str(inside))
    router = module("router", "--fleet", str(fleet), "--engines", f"http://127.0.0.1:{inside}/{{model}}")
    router += ["--host", "127.0.0.1", "--port", str(outside)]
    haproxy, gateway = f"http://127.0.0.1:{inside}/{MODEL}", f"http://127.0.0.1:{outside}"
    with (
        running(serving, ready=f"{haproxy}/health", log=logs / "serving.log", env=env, patience=300),
        running(router, ready=f"{gateway}/readyz", log=logs / "gateway.log", env=env),
    ):
        yield [
            Way("replica", _replica(), MODEL),
            Way("haproxy", haproxy, MODEL),
            Way("gateway", gateway, "auto"),
        ]


def _replica() -> str:
    """The replica's own server, behind HAProxy."""
    for port in _REPLICA_PORTS:
        url = f"http://127.0.0.1:{port}/{MODEL}"
        if answers(f"{url}/health"):
            return url
    msg = f"no replica listens on {_REPLICA_PORTS.start} to {_REPLICA_PORTS.stop - 1}"
    raise BenchmarkError(msg)


def measure(asked: list[Way], rounds: int) -> dict[str, float]:
    """Ask in turn; each round begins with another way, so that none profits from its place."""
    number = 0
    for turn in range(_WARM_UP + rounds):
        shift = turn % len(asked)
        for way in asked[shift:] + asked[:shift]:
            way.ask(number)
            number += 1
    figures: dict[str, float] = {}
    for way in asked:
        counted = way.seconds[_WARM_UP:]
        figures[f"{way.name}_ttft_p50_ms"] = statistics.median(counted) * 1e3
        figures[f"{way.name}_ttft_p90_ms"] = statistics.quantiles(counted, n=10)[-1] * 1e3
    return figures


def measure_leaving(asked: list[Way]) -> dict[str, float]:
    """Leave through the gateway, again and again."""
    replica, *_, gateway = asked
    gateway.seconds.clear()
    for _ in range(_LEAVES):
        gateway.leave(replica)
    figures = {"p50": statistics.median(gateway.seconds), "max": max(gateway.seconds)}
    return {f"client_left_engine_idle_{name}_ms": value * 1e3 for name, value in figures.items()}


def main() -> int:
    """Start, ask, print."""
    parser = argparse.ArgumentParser(description="time to first token by every way")
    parser.add_argument("--logs", type=Path, required=True)
    parser.add_argument("--rounds", type=int, required=True)
    asked = parser.parse_args()
    try:
        with ways(asked.logs) as found:
            print(json.dumps(measure(found, asked.rounds) | measure_leaving(found)))
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
