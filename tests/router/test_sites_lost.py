"""A site's gateway, a real process, killed or frozen under traffic: nothing that comes afterwards fails."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from cluster.ports import free_port
from tests.router.client import Response
from tests.router.engine import until
from tests.router.gateway import Running, Trio
from tests.router.sites import Json, ScriptedSite, fleet_at, known
from tests.router.test_main import ROOT, Process

pytestmark = pytest.mark.anyio

STALLED_S = 8
"""After which a stream that had begun at a site that froze ends; less than what the callers here wait."""


class Town:
    """``ber`` without engines, ``fra`` as a process, which is asked first, and ``iad``, which stands in for both."""

    def __init__(self, ber: Running, fra: Process, iad: ScriptedSite) -> None:
        """All run; ``ber`` knows how the others are."""
        self.ber, self.fra, self.iad = ber, fra, iad
        self.by: Counter[str] = Counter()
        """Whole answers, by who gave them."""
        self.failed: list[Response] = []
        self.is_gone = False
        """``ber`` knows that it has lost ``fra``."""
        self.since: list[str] = []
        """Who answered what was asked after that; empty for those that failed."""
        self._over = False

    @asynccontextmanager
    async def traffic(self, lanes: int = 4) -> AsyncIterator[None]:
        """Ask without a pause, whole and streamed, until the block is left."""
        async with asyncio.TaskGroup() as group:
            for number in range(lanes):
                group.create_task(self._lane(stream=bool(number % 2)))
            try:
                yield
            finally:
                self._over = True

    async def _lane(self, *, stream: bool) -> None:
        while not self._over:
            afterwards = self.is_gone
            answer = await self.ber.chat(model="small", stream=stream)
            complete = answer.status == 200 and answer.whole and (not stream or "[DONE]" in answer.events)
            model = answer.header("x-freehold-model") if complete else ""
            if afterwards:
                self.since.append(model)
            if complete:
                self.by[model] += 1
            else:
                self.failed.append(answer)

    async def answered(self, model: str, count: int = 20) -> None:
        """Wait until somebody has given so many answers more."""
        goal = self.by[model] + count

        async def reached() -> bool:
            return self.by[model] >= goal

        await until(reached)

    async def is_up(self, wanted: bool) -> None:
        """Wait until ``ber`` counts ``fra`` as there, or as gone."""

        async def so() -> bool:
            return await self.ber.targets["s@fra"].answers() == wanted

        await until(so)


@pytest.fixture
async def town(engines: Trio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """All three, asking each other twice as often as in production."""
    monkeypatch.setattr("router.backends.site.ASK_S", 0.5)
    async with AsyncExitStack() as stack:
        far = await stack.enter_async_context(Trio())
        fra = await stack.enter_async_context(_gateway(far, tmp_path))
        iad = await stack.enter_async_context(ScriptedSite("iad"))
        sites: dict[str, Json] = {
            "fra": {"url": f"http://127.0.0.1:{fra.port}", "weight": 1000},
            "iad": {"url": iad.url},
        }
        engines.small.stop()
        deadlines = {"between_tokens": STALLED_S}
        ber = await stack.enter_async_context(
            Running(fleet_at("ber", engines, sites, gateway={"deadlines": deadlines}))
        )
        await known(ber)
        yield Town(ber, fra, iad)


@asynccontextmanager
async def _gateway(trio: Trio, folder: Path) -> AsyncIterator[Process]:
    file, port = folder / "fra.json", free_port()
    file.write_text(json.dumps(fleet_at("fra", trio, {}).model_dump(mode="json", exclude_defaults=True)))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router", "--fleet", str(file), "--port", str(port)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    process = Process(child, port, folder)
    try:
        await process.ready()
        yield process
    finally:
        await process.end(signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_a_lost_site_costs_no_request(town: Town, number: int) -> None:
    """Those that wait there for a first byte are answered elsewhere; once it is gone, nobody is sent there at all."""
    async with town.traffic():
        await town.answered("s@fra")
        town.fra.child.send_signal(number)
        await town.is_up(wanted=False)
        town.is_gone = True
        await town.answered("s@iad")
    assert set(town.since) == {"s@iad"}
    assert all(answer.status == 200 for answer in town.failed), "only streams that had begun may be cut"


async def test_a_site_that_thaws_is_asked_again(town: Town) -> None:
    """By the first question that it answers; what was sent to it while it was frozen was answered elsewhere."""
    async with town.traffic():
        await town.answered("s@fra")
        town.fra.child.send_signal(signal.SIGSTOP)
        await town.is_up(wanted=False)
        town.fra.child.send_signal(signal.SIGCONT)
        await town.answered("s@fra")
    assert all(answer.status == 200 for answer in town.failed), "only streams that had begun may be cut"
