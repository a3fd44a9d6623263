"""Kills gateways with SIGKILL under load, again and again, and compares the ledger with what clients saw complete.

Four gateways share one database and one ``FREEHOLD_HOME``. One after the other is killed at a random moment, as soon as
it has given an answer since its start, and started again, while clients ask all of them without a pause, whole and
streamed in turn. Invariant of the measurement: an answer counts as complete only when :mod:`benchmarks.lab.caller` had
all of it; the books are read after the last gateways have ended by themselves.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from benchmarks.lab.accounts import Bank, fleet
from benchmarks.lab.caller import Caller, caller, question
from benchmarks.lab.processes import ROOT, BenchmarkError, module
from cluster.ports import free_port

GATEWAYS: Final = 4
_LANES: Final = 4
"""Requests under way at each gateway."""
_LONGEST_LIFE_S: Final = 0.2
"""A gateway is killed at a random moment within so long after its first answer."""
_START_S, _END_S, _SPOOL_S, _POLL_S = 60.0, 60.0, 30.0, 0.01
_BODIES: Final = (question(temperature=0.7), question(stream=True, temperature=0.7))

Figures = dict[str, float]


@dataclass(slots=True)
class _Seat:
    """A port, and the gateway that has it at the moment."""

    port: int
    pid: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    """It has given a whole answer since its start."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(slots=True)
class _Run:
    """What happens, and what was seen."""

    kills: int
    until: float
    complete: list[str] = field(default_factory=list)
    """Request ids of answers that came whole."""
    cut: int = 0
    """Requests whose gateway died before their end."""
    done: int = 0
    starts: list[float] = field(default_factory=list)
    """Seconds from an order to the first connection."""
    over: bool = False

    def claim(self) -> bool:
        """One more kill, unless all are done or the time is up."""
        if self.done >= self.kills or time.monotonic() > self.until:
            return False
        self.done += 1
        return True


def crashes(bank: Bank, engine: str, logs: Path, kills: int, seconds: float) -> Figures:
    """Kill so many times, or for so long, and read the books."""
    bank.home.mkdir(mode=0o700, exist_ok=True)
    run = _Run(kills, time.monotonic() + seconds)
    began = time.monotonic()
    asyncio.run(_crash(run, bank, engine, logs))
    books = _books(bank, run.complete)
    return books | {
        "crash_kills": run.done,
        "crash_complete": len(run.complete),
        "crash_cut": run.cut,
        "crash_start_p50_ms": statistics.median(run.starts) * 1e3,
        "crash_seconds": time.monotonic() - began,
    }


async def _crash(run: _Run, bank: Bank, engine: str, logs: Path) -> None:
    seats = [_Seat(free_port()) for _ in range(GATEWAYS)]
    async with _nursery(bank, engine, logs) as nursery:
        orders = asyncio.Lock()
        await _start(nursery, orders, seats[0], run)
        key = bank.key(seats[0].url, "crash", "plenty")
        await asyncio.gather(*(_start(nursery, orders, seat, run) for seat in seats[1:]))
        async with caller(key) as client:
            lanes = [asyncio.create_task(_lane(client, seat, run)) for seat in seats for _ in range(_LANES)]
            await asyncio.gather(*(_kill_again(nursery, orders, seat, run) for seat in seats))
            run.over = True
            await asyncio.gather(*lanes)
        await _spool_replayed(bank.home / "spool")
        for seat in seats:
            os.kill(seat.pid, signal.SIGTERM)
        await _gone([seat.pid for seat in seats])


async def _lane(client: Caller, seat: _Seat, run: _Run) -> None:
    number = 0
    while not run.over:
        number += 1
        pid = seat.pid
        answer = await client.ask(seat.url, _BODIES[number % 2])
        if answer.complete:
            run.complete.append(answer.request_id)
            if pid == seat.pid:
                seat.answered.set()
        else:
            run.cut += answer.reached and not answer.whole
            await asyncio.sleep(_POLL_S)  # until somebody listens there again


async def _kill_again(nursery: asyncio.subprocess.Process, orders: asyncio.Lock, seat: _Seat, run: _Run) -> None:
    while run.claim():
        async with asyncio.timeout(_START_S):
            await seat.answered.wait()
        await asyncio.sleep(random.uniform(0, _LONGEST_LIFE_S))  # noqa: S311  a moment, no secret
        os.kill(seat.pid, signal.SIGKILL)
        await _gone([seat.pid])
        await _start(nursery, orders, seat, run)


async def _start(nursery: asyncio.subprocess.Process, orders: asyncio.Lock, seat: _Seat, run: _Run) -> None:
    """Have a gateway born at a seat's port, and wait until it takes connections."""
    began = time.monotonic()
    async with orders:
        assert nursery.stdin is not None  # noqa: S101  opened with pipes
        assert nursery.stdout is not None  # noqa: S101
        nursery.stdin.write(b"%d\n" % seat.port)
        line = await nursery.stdout.readline()
        if not line:
            msg = "the nursery of gateways has ended; see nursery.log"
            raise BenchmarkError(msg)
        seat.answered.clear()
        seat.pid = int(line)
    while not await _listens(seat.port):
        if not psutil.pid_exists(seat.pid):
            msg = f"gateway {seat.pid} ended while starting; see nursery.log"
            raise BenchmarkError(msg)
        await asyncio.sleep(_POLL_S)
    run.starts.append(time.monotonic() - began)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@asynccontextmanager
async def _nursery(bank: Bank, engine: str, logs: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    spec = fleet(engine, logs / "crash.json")
    command = module("benchmarks.lab.nursery", "--fleet", str(spec))
    with (logs / "nursery.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=ROOT,
            env=os.environ | bank.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        yield process
    finally:
        children = psutil.Process(process.pid).children()
        for child in children:
            child.kill()
        process.terminate()
        await process.wait()


async def _gone(pids: list[int]) -> None:
    """Wait until processes have ended, and kill those that take too long."""
    until = time.monotonic() + _END_S
    while any(psutil.pid_exists(pid) for pid in pids):
        if time.monotonic() > until:
            msg = f"gateways {pids} do not end; see nursery.log"
            raise BenchmarkError(msg)
        await asyncio.sleep(_POLL_S)


async def _spool_replayed(spool: Path) -> None:
    """Give the last gateways time to adopt what the dead have left on the disk."""
    until = time.monotonic() + _SPOOL_S
    while _files(spool) and time.monotonic() < until:  # noqa: ASYNC110  it is other processes that are waited for
        await asyncio.sleep(_POLL_S)


def _files(spool: Path) -> int:
    return len(list(spool.glob("*")))


def _books(bank: Bank, complete: list[str]) -> Figures:
    """What the ledger has, and whether totals and quotas agree with it."""
    written = bank.rows("SELECT request_id, attempt FROM ledger WHERE tenant = 'crash'")
    finished = {row[0] for row in bank.rows("SELECT request_id FROM ledger WHERE outcome = 'complete'")}
    settled = "SELECT sum(used) FROM quota_windows WHERE tenant = 'crash' AND kind = 'messages_per_month'"
    delivered = "SELECT count(*) FROM ledger WHERE tenant = 'crash' AND (outcome = 'complete' OR completion_tokens > 0)"
    totals = bank.count("SELECT sum(requests) FROM usage_days WHERE tenant = 'crash'")
    return {
        "crash_rows": len(written),
        "crash_missing": len(set(complete) - finished),
        "crash_doubled": len(written) - len(set(written)),
        "crash_ids_given_twice": len(complete) - len(set(complete)),
        "crash_totals_minus_rows": totals - len(written),
        "crash_quota_minus_rows": bank.count(settled) - bank.count(delivered),
        "crash_spool_files_left": _files(bank.home / "spool"),
    }
