"""A gateway with accounts whose answers are compared, before scripted engines that say what a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cluster.spec import Fleet
from router.opening import Archive
from tests.router.accounts.test_books import PLANS, Bank
from tests.router.engine import ANSWERS, COUNTED, DONE, STOP, Engine, Exchange, Play, delta, until
from tests.router.gateway import Running, Trio
from tests.router.hosted import MESSAGE, spilling

USD = {"usd_per_day": 5, "usd_per_month": 5}
TENANTS = {
    "access": "keys",
    "plans": {**PLANS, "open": {"egress": True, "keep_samples": True}, "closed": {"keep_samples": True}},
    "budget": USD,
}


def hosted(*texts: str) -> list[Play]:
    """What Claude says, an answer each."""
    return [_hosted(text) for text in texts]


def _hosted(text: str) -> Play:
    async def play(exchange: Exchange) -> None:
        exchange.answer({**MESSAGE, "content": [{"type": "text", "text": text}]})

    return play


def local(*texts: str) -> list[Play]:
    """What an engine of the fleet says, an answer each."""
    return [_local(text) for text in texts]


def _local(text: str) -> Play:
    async def play(exchange: Exchange) -> None:
        if exchange.request.get("stream"):
            exchange.stream(delta(text), STOP, COUNTED, DONE)
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        exchange.answer({**ANSWERS["chat/completions"], "choices": [choice]})

    return play


class Examined(Bank):
    """The bank of accounts, and what came of comparisons."""

    @property
    def admin_key(self) -> str:
        """That the first start made."""
        return self._admin

    async def compared(self, count: int = 1) -> list[dict[str, Any]]:
        """The log's lines of comparisons, once there are so many."""

        async def enough() -> bool:
            return len(self._compared) >= count

        await until(enough)
        return self._compared

    @property
    def _compared(self) -> list[dict[str, Any]]:
        return [line for line in self.running.lines if line["event"] == "compared"]

    async def labels(self) -> list[dict[str, Any]]:
        """The rows."""
        return await self.rows("SELECT * FROM labels ORDER BY at, id")


class Place(NamedTuple):
    """What a gateway stands between."""

    engines: Trio
    outside: Engine
    database: str
    home: Path

    def fleet(self, **quality: object) -> Fleet:
        """The usual fleet behind keys with Claude as the reference; every answer is compared."""
        plain = spilling(self.engines, self.outside).model_dump(exclude_unset=True)
        wanted = {"sample": 1, "usd_per_day": 1, "retrain": "never", **quality}
        return Fleet.model_validate({**plain, "tenants": TENANTS, "spillover": {"chain": ["c"]}, "quality": wanted})

    @asynccontextmanager
    async def examined(self, **quality: object) -> AsyncIterator[Examined]:
        """The gateway; ``quality`` is that section of the fleet file."""
        async with self.examined_as(self.fleet(**quality)) as examined:
            yield examined

    @asynccontextmanager
    async def examined_as(self, fleet: Fleet) -> AsyncIterator[Examined]:
        """The same with another fleet file."""
        async with Running(fleet, archive=Archive(self.database, self.home)) as running:
            yield Examined(running, self.database, (self.home / "admin.key").read_text().strip())
