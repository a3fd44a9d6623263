"""One tenant bursts ten times what the engine holds: how much longer do another tenant's answers take?

The engine takes a tenth of a second for every answer, and the gateway gives it few requests at once; so whatever is
beyond that is waiting. The two situations take turns.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from benchmarks.lab import answers
from benchmarks.lab.accounts import Bank, fleet, gateways
from benchmarks.lab.caller import Caller, caller, question
from benchmarks.lab.processes import BenchmarkError
from cluster.ports import free_port

IN_FLIGHT: Final = 16
"""Requests that the engine is given at once."""
BURST: Final = 10 * IN_FLIGHT
_ANSWER_S: Final = 0.1
_LANES: Final = 2
"""Requests that the other tenant has under way."""
_ROUNDS: Final = 3
_REQUESTS: Final = 150
"""Of the other tenant, in one round of each situation."""

Figures = dict[str, float]


def fairness(bank: Bank, logs: Path) -> Figures:
    """The other tenant's latency, with and without the burst."""
    port = free_port()
    spec = fleet(f"http://127.0.0.1:{port}", logs / "fairness.json")
    content = json.loads(spec.read_text())
    limits = {"in_flight": IN_FLIGHT, "queue": 2 * BURST, "queue_seconds": 60}
    spec.write_text(json.dumps(content | {"gateway": {"limits": limits}}))
    with gateways(bank, spec, logs, 1) as [side]:
        bursts, other = (bank.key(side.url, name, "plenty") for name in ("bursts", "other"))
        return asyncio.run(_alternate(port, side.url, bursts, other))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection to the engine: any request has the same answer, a while later."""
    with suppress(asyncio.CancelledError, asyncio.IncompleteReadError, ConnectionError), closing(writer):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
            await asyncio.sleep(_ANSWER_S)
            for piece in answers.pieces(answers.Question("burst", 0, usage=True)):
                writer.write(piece)


async def _alternate(port: int, url: str, bursts: str, other: str) -> Figures:
    alone: list[float] = []
    beside: list[float] = []
    engine = await asyncio.start_server(_answer, "127.0.0.1", port)
    async with engine, caller(bursts) as many, caller(other) as few:
        await _measured(few, url)
        for _ in range(_ROUNDS):
            alone += await _measured(few, url)
            crowd = [asyncio.create_task(_again_and_again(many, url)) for _ in range(BURST)]
            beside += await _measured(few, url)
            for one in crowd:
                one.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
    figures: Figures = {"fairness_in_flight": IN_FLIGHT, "fairness_burst": BURST}
    for name, times in (("alone", alone), ("beside", beside)):
        cuts = statistics.quantiles(times, n=100)
        figures |= {f"fairness_{name}_p50_ms": cuts[49] * 1e3, f"fairness_{name}_p99_ms": cuts[98] * 1e3}
    figures["fairness_p99_beside_burst"] = figures["fairness_beside_p99_ms"] / figures["fairness_alone_p99_ms"]
    return figures


async def _measured(client: Caller, url: str) -> list[float]:
    """Seconds that each of the answers took."""
    left, taken = iter(range(_REQUESTS)), []

    async def lane() -> None:
        for _ in left:
            began = time.perf_counter()
            await _ask(client, url)
            taken.append(time.perf_counter() - began)

    await asyncio.gather(*(lane() for _ in range(_LANES)))
    return taken


async def _again_and_again(client: Caller, url: str) -> None:
    while True:
        await _ask(client, url)


async def _ask(client: Caller, url: str) -> None:
    answer = await client.ask(url, question("first", temperature=0.7))
    if not answer.complete:
        msg = f"an answer ended with status {answer.status}; the gateway's log tells why"
        raise BenchmarkError(msg)
