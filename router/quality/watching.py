"""The loop while the gateway runs: made of the accounts' parts, and each part started only where it has a use."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cluster.spec import Fleet
from router.accounts.labels import Labels
from router.accounts.pepper import Pepper
from router.accounts.pot import Pot
from router.accounts.sealed import Sealer
from router.backends.contract import Backend
from router.books import Books
from router.decide.egress import Egress
from router.decide.policy import Policy
from router.desk import Desk
from router.observe.events import Listener
from router.quality.asking import Asker
from router.quality.following import Following
from router.quality.loop import QualityLoop, references_of
from router.quality.nightly import nightly
from router.quality.watch import Watched

_log = logging.getLogger(__name__)


class Site(NamedTuple):
    """What the loop works on."""

    fleet: Fleet
    targets: Mapping[str, Backend]
    policy: Policy
    tell: Listener
    url: str
    """Of the database."""
    home: Path


@asynccontextmanager
async def watching(site: Site, books: Books, pepper: Pepper) -> AsyncIterator[Desk]:
    """The desk to work with: ``books``, watched where answers are to be compared."""
    fleet, offices = site.fleet, books.offices
    desk: Desk = books
    work: list[Coroutine[Any, Any, None]] = [Following(fleet, offices.store, site.policy, site.home).run()]
    if references_of(fleet):
        pot = Pot(offices.budgets, offices.store, fleet.quality.usd_per_day)
        asker = Asker(fleet.quality, site.targets, pot, offices.trail, site.tell)
        loop = QualityLoop(fleet, Labels(offices.store, Sealer(pepper)), asker, site.tell)
        work.append(loop.run())
        desk = Watched(books, Egress(fleet), fleet.quality.sample, loop.take)
        if fleet.quality.retrain == "nightly":
            work.append(nightly(fleet, offices.store, site.url, site.home))
    tasks = [asyncio.create_task(job) for job in work]
    for task in tasks:
        task.add_done_callback(_tell)
    try:
        yield desk
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    """None of them ends by itself; one that does is a mistake of ours, which the gateway survives."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a part of the quality loop has ended", exc_info=error)
