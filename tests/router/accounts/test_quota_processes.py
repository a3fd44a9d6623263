"""Four gateway processes on one database: together they admit exactly what is there; one of them may die."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest

pytestmark = pytest.mark.anyio

_DEAD_AFTER_S = 2.0
_names = itertools.count(1)


class Process:
    """One gateway."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        """Made by :func:`gateways`."""
        self.process, self.name = process, name

    async def tell(self, order: dict[str, Any]) -> None:
        """Have it begin."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        await self.process.stdin.drain()

    async def answer(self) -> dict[str, int]:
        """What it says next."""
        assert self.process.stdout is not None
        answer: dict[str, int] = json.loads(await asyncio.wait_for(self.process.stdout.readline(), 120))
        return answer

    async def do(self, **order: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
        """Have it do something."""
        await self.tell(order)
        return await self.answer()


@contextlib.asynccontextmanager
async def gateways(url: str, environment: dict[str, str] | None = None) -> AsyncIterator[list[Process]]:
    """Four of them, each ready."""
    started: list[Process] = []
    try:
        for _ in range(4):
            name = f"process{next(_names)}"
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.router.accounts.worker", url, name, str(_DEAD_AFTER_S),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=os.environ | (environment or {}),
            )  # fmt: skip
            started.append(Process(process, name))
        for one in started:
            assert await one.answer() == {"ready": 1}
        yield started
    finally:
        for one in started:
            with contextlib.suppress(ProcessLookupError):
                one.process.kill()
            await one.process.wait()


@pytest.fixture
def watch(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection beside the gateways', with a tenant and a place for what was served."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE served (request text PRIMARY KEY, gateway text NOT NULL)")
        connection.execute("INSERT INTO tenants (name, plan) VALUES ('acme', 'p')")
        yield connection


def _one(watch: psycopg.Connection[Any], query: LiteralString, *values: str) -> Any:  # noqa: ANN401 - a row
    return watch.execute(query, values).fetchone()


@pytest.mark.parametrize(
    ("limits", "tokens", "fits"),
    [
        ({"messages_per_month": 1000}, 0, 1000),
        ({"messages_per_month": 1000, "tokens_per_month": 3000}, 7, 428),
    ],
    ids=["messages", "tokens"],
)
async def test_exactly_the_limit(
    database: str, watch: psycopg.Connection[Any], limits: dict[str, int], tokens: int, fits: int
) -> None:
    """Under more demand than there is, four processes admit what a serial model admits, to the last unit."""
    async with gateways(database) as team:
        order = {"do": "serve", "limits": limits, "tokens": tokens, "lanes": 4, "requests": None}
        counts = await asyncio.gather(*(one.do(**order) for one in team))
    assert sum(count["admitted"] for count in counts) == fits
    assert _one(watch, "SELECT count(*) FROM served") == (fits,)
    assert _one(watch, "SELECT used FROM quota_windows WHERE kind = 'messages_per_month'") == (fits,)


async def test_one_dies(database: str, watch: psycopg.Connection[Any]) -> None:
    """After kill -9 what the dead one had not settled comes back, and nothing is admitted twice."""
    limits = {"messages_per_month": 1000}
    async with gateways(database) as team:
        victim, *survivors = team
        assert await victim.do(do="hold", limits=limits, tokens=0, requests=20) == {"admitted": 20}
        order = {"do": "serve", "limits": limits, "tokens": 0, "lanes": 4, "requests": None}
        for one in team:
            await one.tell(order)
        while _one(watch, "SELECT count(*) >= 200 FROM served") == (False,):  # noqa: ASYNC110 - other processes work
            await asyncio.sleep(0)
        victim.process.kill()
        await victim.process.wait()
        counts = [await one.answer() for one in survivors]
    (by_victim,) = _one(watch, "SELECT count(*) FROM served WHERE gateway = %s", victim.name)
    assert by_victim > 0
    assert sum(count["admitted"] for count in counts) + by_victim == 1000
    assert _one(watch, "SELECT used, leased FROM quota_windows") == (1000, 0)


@pytest.mark.usefixtures("watch")
async def test_most_requests_are_fast(database: str) -> None:
    """With plenty left, all but a few requests are admitted without the database."""
    limits = {"messages_per_month": 10**9, "requests_per_minute": 10**9, "tokens_per_minute": 10**12}
    async with gateways(database) as team:
        order = {"do": "serve", "limits": limits, "tokens": 500, "lanes": 4, "requests": 200}
        counts = await asyncio.gather(*(one.do(**order) for one in team))
    assert [count["admitted"] for count in counts] == [200] * 4
    assert all(count["fast"] >= 180 for count in counts)


async def test_money_for_one(database: str, watch: psycopg.Connection[Any]) -> None:
    """Of 500 reservations at once over four processes, with money for one, one passes; nothing else is set aside."""
    limits = {"usd_per_day": 1.5, "usd_per_month": 1.5}
    async with gateways(database) as team:
        counts = await asyncio.gather(
            *(one.do(do="reserve", limits=limits, micros=1_000_000, requests=125) for one in team)
        )
    assert sum(count["passed"] for count in counts) == 1
    assert sum(count["refused"] for count in counts) == 499
    windows = watch.execute("SELECT reserved_micros, spent_micros FROM budget_windows").fetchall()
    assert windows == [(1_000_000, 0)] * 4
    assert _one(watch, "SELECT count(*), sum(micros) FROM reservations") == (1, 1_000_000)


def _libfaketime() -> str | None:
    """Debian's package ``libfaketime``, or wherever ``LIBFAKETIME`` says."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return os.environ.get("LIBFAKETIME") or (str(found[0]) if found else None)


@pytest.mark.skipif(_libfaketime() is None, reason="needs libfaketime (apt install libfaketime)")
@pytest.mark.parametrize("jump", ["+1h", "-1h", "+400d"])
async def test_clocks_of_gateways_that_jump(
    database: str, watch: psycopg.Connection[Any], tmp_path: Path, jump: str
) -> None:
    """Whatever a gateway's own clock says, now and later, brings no quota; the database's minutes and months count."""
    hands = tmp_path / "clock"
    hands.write_text("+0s")
    environment = {
        "LD_PRELOAD": str(_libfaketime()),
        "FAKETIME_TIMESTAMP_FILE": str(hands),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    limits = {"requests_per_minute": 40, "messages_per_month": 100_000}
    order = {"do": "serve", "limits": limits, "tokens": 0, "lanes": 2, "requests": None}
    admitted = 0
    async with gateways(database, environment) as team:
        for offset in ("+0s", jump, "+0s"):
            hands.write_text(offset)
            counts = await asyncio.gather(*(one.do(**order) for one in team))
            clocks = await asyncio.gather(*(one.do(do="clock") for one in team))
            admitted += sum(count["admitted"] for count in counts)
            assert all((abs(clock["differs"]) > 3000) == (offset != "+0s") for clock in clocks)
    minutes = watch.execute("SELECT used FROM quota_windows WHERE kind = 'requests_per_minute'").fetchall()
    assert max(used for (used,) in minutes) == 40
    assert sum(used for (used,) in minutes) == admitted
    assert _one(watch, "SELECT used FROM quota_windows WHERE kind = 'messages_per_month'") == (admitted,)
