"""A gateway's quotas and budgets in a process of their own; told what to do by lines of JSON, answers in the same way.

``python -m tests.router.accounts.worker URL NAME DEAD_AFTER``
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import uvloop
from sqlalchemy import text

from cluster.spec import Fleet
from router.accounts.budget import Budgets
from router.accounts.leases import settle_quotas
from router.accounts.quota import Quotas
from router.accounts.store import Store
from router.wire.errors import Refusal
from tests.router.accounts.team import principal

_SERVED = text("INSERT INTO served (request, gateway) VALUES (:request, :gateway)")
_AGAIN_S = 0.02


class Worker:
    """One gateway."""

    def __init__(self, store: Store, quotas: Quotas, budgets: Budgets, name: str) -> None:
        """All of its parts run."""
        self._store, self._quotas, self._budgets, self._name = store, quotas, budgets, name
        self._numbers = itertools.count(1)

    async def serve(self, limits: dict[str, int], tokens: int, lanes: int, requests: int | None) -> dict[str, int]:
        """Answer requests in several lanes, until so many are done or the quota is used up."""
        counts: Counter[str] = Counter(admitted=0, refused=0)
        who = principal(**limits)
        numbers = itertools.count(1) if requests is None else iter(range(requests))

        async def lane() -> None:
            for _ in numbers:
                try:
                    hold = self._quotas.try_take(who, 1, tokens)
                    counts["fast"] += hold is not None
                    hold = hold or await self._quotas.take(who, 1, tokens)
                except Refusal as refusal:
                    counts["refused"] += 1
                    if (refusal.retry_after or 0) > 1:
                        return
                    await asyncio.sleep(_AGAIN_S)
                    continue
                counts["admitted"] += 1
                await asyncio.sleep(0)
                async with self._store.begin() as connection:
                    request = f"{self._name}-{next(self._numbers)}"
                    await connection.execute(_SERVED, {"request": request, "gateway": self._name})
                    uses = [(who.tenant, used) for used in hold.used(1, tokens)]
                    await settle_quotas(connection, self._name, uses)

        await asyncio.gather(*(lane() for _ in range(lanes)))
        return dict(counts)

    async def hold(self, limits: dict[str, int], tokens: int, requests: int) -> dict[str, int]:
        """Admit requests that never end."""
        who = principal(**limits)
        for _ in range(requests):
            await self._quotas.take(who, 1, tokens)
        return {"admitted": requests}

    async def clock(self) -> dict[str, int]:
        """By how many seconds this process's clock differs from the database's."""
        return {"differs": int((datetime.now(UTC) - self._store.now()).total_seconds())}

    async def reserve(self, limits: dict[str, int], micros: int, requests: int) -> dict[str, int]:
        """Reserve money for requests, all at once."""
        who = principal(**limits)
        answers = await asyncio.gather(
            *(self._budgets.reserve(who, f"{self._name}-{number}", 1, micros) for number in range(requests)),
            return_exceptions=True,
        )
        passed = [number for number, answer in enumerate(answers) if answer is None]
        refused = sum(isinstance(answer, Refusal) and answer.status == 402 for answer in answers)
        return {"passed": len(passed), "refused": refused, "first": passed[0] if passed else -1}


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _main(url: str, name: str, dead_after: float) -> None:
    fleet = Fleet.model_validate(
        {
            "name": "test",
            "models": {"m": {"engine": "url", "url": "http://127.0.0.1:9"}},
            "tenants": {"budget": {"usd_per_day": 1000, "usd_per_month": 1000}},
        }
    )
    store = await Store.open(url, 4)
    quotas = await Quotas.open(store, name, dead_after=dead_after)
    running = asyncio.create_task(quotas.run())
    worker = Worker(store, quotas, Budgets(store, fleet), name)
    lines = await _lines()
    _say({"ready": 1})
    while line := await lines.readline():
        order: dict[str, Any] = json.loads(line)
        _say(await getattr(worker, order.pop("do"))(**order))
    running.cancel()
    await quotas.close()
    await store.close()


def _say(fact: dict[str, int]) -> None:
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
