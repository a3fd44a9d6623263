"""Two sites, each a gateway process before an engine of its own, and callers of the first one.

What is lost is lost as a whole: gateway and engine of a site are killed, or frozen, in one moment. Invariant: when a
``with`` block is left, nothing of it is alive.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.lab.caller import Caller, caller, question
from benchmarks.lab.open_loop import moments
from benchmarks.lab.processes import BenchmarkError, module, running
from cluster.ports import free_port

SPEED: Final = 5
"""Of an engine with 50 tokens a second."""
TOKENS: Final = 20
BUSY: Final = 2
"""Requests under way with which a site counts as saturated, so that both have something to do."""
PATIENCE_S: Final = 15.0
_POLL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Site:
    """What stands at one place."""

    name: str
    url: str
    gateway: psutil.Process
    engine: psutil.Process
    log: Path

    def lose(self, number: int) -> float:
        """Send a signal to all of it; the moment, in seconds since 1970."""
        at = time.time()
        for process in (self.gateway, self.engine):
            process.send_signal(number)
        return at


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of an open loop."""

    began: float
    """Seconds since 1970."""
    complete: bool
    by: str


@contextmanager
def two_sites(logs: Path) -> Iterator[tuple[Site, Site]]:
    """``ber`` and ``fra``, each the other's only site, once each knows how the other is."""
    ports = {name: free_port() for name in ("ber", "fra")}
    with ExitStack() as stack:
        ber, fra = [stack.enter_context(_site(name, ports, logs)) for name in ports]
        until = time.monotonic() + PATIENCE_S
        while not all(_knows(site) for site in (ber, fra)):
            if time.monotonic() > until:
                msg = f"the two sites do not find each other; see {logs}"
                raise BenchmarkError(msg)
            time.sleep(_POLL_S)
        yield ber, fra


@contextmanager
def _site(name: str, ports: dict[str, int], logs: Path) -> Iterator[Site]:
    port, log, file = free_port(), logs / f"{name}.log", logs / f"{name}.json"
    engine, url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ports[name]}"
    file.write_text(json.dumps(_fleet(name, engine, ports)))
    asked = module("serving.simulated", "--port", str(port), "--speed", str(SPEED))
    command = module("router", "--fleet", str(file), "--port", str(ports[name]))
    with (
        running(asked, ready=f"{engine}/health", log=logs / f"{name}-engine.log") as answers,
        running(command, ready=f"{url}/healthz", log=log, env={"FREEHOLD_HOME": str(logs / name)}) as gateway,
    ):
        try:
            yield Site(name, url, gateway, answers, log)
        finally:
            for process in (gateway, answers):
                if process.is_running():
                    process.send_signal(signal.SIGCONT)


def _fleet(name: str, engine: str, ports: dict[str, int]) -> dict[str, Any]:
    return {
        "name": "bench",
        "site": name,
        "sites": {other: {"url": f"http://127.0.0.1:{port}"} for other, port in ports.items()},
        "models": {"s": {"engine": "url", "url": engine, "served_as": "simulated"}},
        "tiers": {"small": ["s"]},
        "routing": {"busy_in_flight": BUSY},
    }


def _knows(site: Site) -> bool:
    return all(asyncio.run(_models(site)).values())


async def _models(site: Site) -> dict[str, bool]:
    async with caller("") as client:
        found: dict[str, bool] = (await client.get(f"{site.url}/readyz"))["models"]
        return found


async def load(site: Site, rate: float, seconds: float) -> list[Asked]:
    """Ask a site at random moments, whole and streamed in turn, whether or not earlier ones were answered."""
    async with caller("") as client, asyncio.TaskGroup() as group:
        start = asyncio.get_running_loop().time()
        tasks = [
            group.create_task(_ask(client, site, start + at, stream=bool(number % 2)))
            for number, at in enumerate(moments(rate, seconds))
        ]
    return [task.result() for task in tasks]


async def _ask(client: Caller, site: Site, due: float, *, stream: bool) -> Asked:
    await asyncio.sleep(due - asyncio.get_running_loop().time())
    began = time.time()
    answer = await client.ask(site.url, question("small", stream=stream, max_tokens=TOKENS))
    return Asked(began, answer.complete, answer.model)


def gone_at(site: Site, other: str, since: float) -> float | None:
    """When a site's log first says that another is gone, in seconds since 1970."""
    for line in site.log.read_bytes().splitlines():
        told = json.loads(line) if line.startswith(b"{") else {}
        if told.get("event") == "log" and told["time"] >= since and f"site {other}: gone" in told["message"]:
            return float(told["time"])
    return None


def shares(asked: Sequence[Asked], model: str) -> float:
    """The share of requests that a model answered whole."""
    return sum(one.complete and one.by == model for one in asked) / max(1, len(asked))
