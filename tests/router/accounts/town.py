"""Gateways with accounts as processes of their own, before scripted engines, and callers that note what they have had.

What a caller has had whole is what the ledger must have: :meth:`Town.missing` and its neighbours compare the two.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg

from cluster.ports import free_port
from cluster.spec import Fleet
from tests.router.client import Response, fetch
from tests.router.engine import until
from tests.router.gateway import Trio, chat
from tests.router.test_main import ROOT, Process

CHAT = "/v1/chat/completions"
PLANS: dict[str, dict[str, Any]] = {
    "unlimited": {},
    "plenty": {"messages_per_month": 100_000, "requests_per_minute": 100_000},
    "paying": {"egress": True, "usd_per_day": 1000, "usd_per_month": 1000},
}


def keyed(engines: Trio, plans: Mapping[str, Any] = PLANS, **tenants: object) -> Fleet:
    """The usual fleet behind keys; its large model costs a dollar per 1,000 tokens."""
    plain = engines.fleet().model_dump(exclude_unset=True)
    plain["models"]["l"]["price"] = {"prompt": 1000, "completion": 1000}
    budget = {"usd_per_day": 1000, "usd_per_month": 1000}
    plain["tenants"] = {"access": "keys", "plans": dict(plans), "budget": budget, **tenants}
    return Fleet.model_validate(plain)


class Town:
    """Some gateways on one database, and what was had of them."""

    def __init__(self, gateways: list[Process], database: str, home: Path) -> None:
        """Made by :func:`town`."""
        self.gateways, self.database, self.home = gateways, database, home
        self.complete: list[str] = []
        """Request ids of answers that came whole."""
        self.others: Counter[str] = Counter()
        """Every other answer, by its error's code."""
        self.over = False
        """Ends :meth:`traffic`."""

    @property
    def spool(self) -> Path:
        """Where rows wait while the database is away."""
        return self.home / "spool"

    async def admin(self, path: str, body: object = b"", method: str = "POST") -> Any:  # noqa: ANN401 - JSON
        """Ask the first gateway's admin API."""
        key = (self.home / "admin.key").read_text().strip()
        answer = await fetch(self.gateways[0].port, path, body, method=method, authorization=f"Bearer {key}")
        assert answer.status in {200, 201}, answer.body
        return answer.json

    async def key(self, plan: str, tenant: str = "", **scope: object) -> str:
        """A new tenant with a plan, named like it unless told otherwise, and a key of it."""
        await self.admin("/admin/tenants", {"name": tenant or plan, "plan": plan})
        made = await self.admin("/admin/keys", {"tenant": tenant or plan, **scope})
        return str(made["key"])

    async def ask(self, key: str, number: int = 0, **fields: object) -> Response:
        """Ask one of the gateways, and note what became of it; ``s`` is the free model."""
        port = self.gateways[number % len(self.gateways)].port
        answer = await fetch(port, CHAT, {**chat(), "model": "s", **fields}, authorization=f"Bearer {key}")
        ended = not fields.get("stream") or "[DONE]" in answer.events
        if answer.status == 200 and answer.whole and ended:
            self.complete.append(answer.header("x-request-id"))
        else:
            self.others[answer.error["code"] if answer.status != 200 else "cut"] += 1
        return answer

    @asynccontextmanager
    async def traffic(self, *keys: str, lanes: int = 3) -> AsyncIterator[None]:
        """Every key asks all gateways without a pause, whole and streamed in turn, until the block is left."""
        self.over = False

        async def lane(key: str, number: int) -> None:
            while not self.over:
                number += 1
                await self.ask(key, number, stream=bool(number & 2))

        async with asyncio.TaskGroup() as group:
            for key in keys:
                for number in range(lanes):
                    group.create_task(lane(key, number))
            try:
                yield
            finally:
                self.over = True

    async def answered(self, count: int) -> None:
        """Wait for so many more whole answers."""
        goal = len(self.complete) + count

        async def reached() -> bool:
            return len(self.complete) >= goal

        await until(reached)

    async def refused(self, code: str, count: int = 1) -> None:
        """Wait for so many more refusals with a code."""
        goal = self.others[code] + count

        async def reached() -> bool:
            return self.others[code] >= goal

        await until(reached)

    async def replayed(self) -> None:
        """Wait until nothing waits on the disk."""

        async def empty() -> bool:
            return not list(self.spool.glob("*.log"))

        await until(empty)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database has."""
        with psycopg.connect(self.database) as connection:
            return connection.execute(sql.encode()).fetchall()

    def missing(self) -> set[str]:
        """Answers that clients had whole and of which the ledger has no complete row."""
        return set(self.complete) - {row[0] for row in self.rows("SELECT request_id FROM ledger WHERE status = 200")}

    def doubled(self) -> list[tuple[Any, ...]]:
        """Attempts with two rows; empty."""
        return self.rows("SELECT request_id, attempt FROM ledger GROUP BY 1, 2 HAVING count(*) > 1")

    def miscounted(self) -> list[tuple[Any, ...]]:
        """Tenants whose daily totals, or whose month's messages, are not what the rows say; empty."""
        return self.rows("""
            WITH delivered AS (
                SELECT tenant, date_trunc('month', at, 'UTC') AS month, count(*) AS rows,
                    count(*) FILTER (WHERE outcome = 'complete' OR completion_tokens > 0) AS messages
                FROM ledger GROUP BY 1, 2
            ), days AS (
                SELECT tenant, date_trunc('month', day, 'UTC') AS month, sum(requests) AS rows
                FROM usage_days GROUP BY 1, 2
            ), windows AS (
                SELECT tenant, window_start AS month, used FROM quota_windows WHERE kind = 'messages_per_month'
            )
            SELECT * FROM delivered FULL JOIN days USING (tenant, month) LEFT JOIN windows USING (tenant, month)
            WHERE delivered.rows IS DISTINCT FROM days.rows OR (windows.used IS NOT NULL AND used <> messages)
        """)


@asynccontextmanager
async def town(
    folder: Path, fleet: Fleet, database: str, gateways: int = 2, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Town]:
    """So many gateways, ended whatever happens; they share ``folder/home``, which may be there already."""
    home, file = folder / "home", folder / "fleet.json"
    home.mkdir(mode=0o700, exist_ok=True)
    file.write_text(json.dumps(fleet.model_dump(mode="json", exclude_defaults=True)))
    async with AsyncExitStack() as stack:
        started: list[Process] = []
        for _ in range(gateways):
            started.append(await stack.enter_async_context(_gateway(folder, file, database, environment or {})))
            await started[-1].ready()  # the first one makes the tables' first rows
        yield Town(started, database, home)


@asynccontextmanager
async def _gateway(folder: Path, file: Path, database: str, environment: Mapping[str, str]) -> AsyncIterator[Process]:
    port = free_port()
    accounts = {"FREEHOLD_HOME": str(folder / "home"), "FREEHOLD_DATABASE_URL": database, "PYTHONPATH": str(ROOT)}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "router", "--fleet", str(file), "--port", str(port)),
        cwd=ROOT,
        env={**os.environ, **accounts, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    process = Process(child, port, folder)
    try:
        yield process
    finally:
        await process.end()
