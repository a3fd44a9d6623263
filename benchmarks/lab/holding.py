"""What it costs to hold an answer back, in CPU and in waiting: one gateway with a cascade before the do-nothing engine.

The same gateway, process and load answer with the cascade and without it (``x-freehold-cascade: never``), in turns, so
that what differs is the cascade alone. The engine's answers are all alike; the share is held by the ranking's account.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.lab.answers import CHUNKS
from benchmarks.lab.probes import cpu_seconds
from benchmarks.lab.processes import BenchmarkError, module, pinned, running
from benchmarks.lab.sides import CHAT, GATEWAY_CORE, Side
from cluster.ports import free_port

HOLD_S: Final = 0.5
"""The paced engine tells ten of the 32 tokens within it, so time decides there; before the other one, tokens do."""
SHARE: Final = 0.2
_NEVER: Final = {"x-freehold-cascade": "never"}
_LANES: Final = 16
_PACED_LANES: Final = 40
"""Few enough that nobody waits for the machine."""
_SAYS: Final = re.compile(r"^(\w+); held_ms=(\d+); spent_ms=(\d+)$")

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    answers: int
    """Of one kind in one round."""
    paced: int
    """Streams at 20 tokens a second."""


@contextmanager
def gateway(logs: Path, upstream: str, share: float, model: str, top: int = 0) -> Iterator[Side]:
    """One worker whose small model is one of the do-nothing engine's."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    spec = {"engine": "url", "url": upstream, "context_length": 131_072, "logprobs": True}
    cascade = {"share": share, "hold_seconds": HOLD_S, "top_logprobs": top}
    fleet = {
        "name": "cascade",
        "models": {"first": {**spec, "served_as": model}, "second": {**spec, "served_as": "burst"}},
        "tiers": {"small": ["first"], "large": ["second"]},
        "routing": {"cascade": cascade, "conversations": 0},
    }
    file = logs / f"{model}-{share:g}-{top}.json"
    file.write_text(json.dumps(fleet))
    command = module("router", "--fleet", str(file), "--host", "127.0.0.1", "--port", str(port))
    env = {"FREEHOLD_HOME": str(logs / "home"), "FREEHOLD_DATABASE_URL": ""}
    log = logs / f"{file.stem}.log"
    with running(pinned(GATEWAY_CORE, command), ready=f"{url}/readyz", log=log, env=env) as process:
        yield Side("gateway", url, "auto", process)


async def costs(side: Side, size: Size) -> Figures:
    """CPU of the gateway for an answer, streamed and whole, with the cascade and without; medians over the rounds."""
    found: dict[str, list[float]] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for turn in range(size.rounds + 1):
            for kind in ("stream", "whole"):
                for way, headers in (("plain", _NEVER), ("tried", {})):
                    spent = await _spent(session, side, size.answers, headers, stream=kind == "stream")
                    if turn:  # the first round warms up
                        found.setdefault(f"{kind}_{way}_cpu_ms", []).append(spent * 1e3)
    return {name: statistics.median(values) for name, values in found.items()}


async def _spent(
    session: aiohttp.ClientSession, side: Side, count: int, headers: dict[str, str], *, stream: bool
) -> float:
    """CPU seconds of the gateway for one answer."""
    left, body = iter(range(count)), side.body(stream=stream)

    async def lane() -> None:
        for _ in left:
            await _answer(session, side, body, headers, stream=stream)

    before = cpu_seconds([side.process])
    await asyncio.gather(*(lane() for _ in range(_LANES)))
    return (cpu_seconds([side.process]) - before) / count


async def _answer(
    session: aiohttp.ClientSession, side: Side, body: bytes, headers: dict[str, str], *, stream: bool
) -> tuple[str, float]:
    """What the gateway says of the trial, and the seconds until the first byte; any answer but a whole one stops."""
    began = time.perf_counter()
    async with session.post(side.url + CHAT, data=body, headers=headers | _JSON) as answer:
        first = await answer.content.readany()
        ttft = time.perf_counter() - began
        data = first + await answer.read()
        words = data.count(b" token") if stream else data.count(b" token") + 1
        if answer.status != 200 or words < CHUNKS - 1 or b'"logprobs":{' in data:  # noqa: PLR2004  HTTP's own
            msg = f"an answer ended with status {answer.status} and {words} words; the gateway's log tells why"
            raise BenchmarkError(msg)
        return answer.headers.get("x-freehold-cascade", ""), ttft


_JSON: Final = {"content-type": "application/json"}


async def waits(side: Side, size: Size) -> Figures:
    """Before an engine of 20 tokens a second: what a caller waits for its first byte, by what became of its answer."""
    body = side.body(stream=True)
    found: dict[str, list[float]] = {"plain": [], "kept": [], "escalated": []}
    over: list[float] = []
    left = iter((_NEVER, {}) * size.paced)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def lane() -> None:
            for headers in left:
                said, ttft = await _answer(session, side, body, headers, stream=True)
                told = _SAYS.match(said)
                found[told[1] if told else "plain"].append(ttft * 1e3)
                if told:
                    over.append(int(told[2]) - HOLD_S * 1e3)

        await asyncio.gather(*(lane() for _ in range(_PACED_LANES)))
    kept, given_up = found["kept"], found["escalated"]
    return {
        **{f"ttft_{way}_p50_ms": statistics.median(times) for way, times in found.items() if times},
        "hold_over_limit_max_ms": max(over),
        "escalated_share": len(given_up) / (len(kept) + len(given_up)),
    }
