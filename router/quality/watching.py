"""The loop while the gateway runs: made of the accounts' parts, started only where it has something to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from cluster.spec import Fleet
from router.accounts.labels import Labels
from router.accounts.pepper import Pepper
from router.accounts.sealed import Sealer
from router.backends.contract import Backend
from router.books import Books
from router.decide.egress import Egress
from router.desk import Desk
from router.observe.events import Listener
from router.quality.asking import Asker
from router.quality.loop import QualityLoop, references_of
from router.quality.watch import Watched


@asynccontextmanager
async def watching(
    fleet: Fleet, targets: Mapping[str, Backend], books: Books, pepper: Pepper, tell: Listener
) -> AsyncIterator[Desk]:
    """The desk to work with: ``books``, watched where answers are to be compared."""
    if not references_of(fleet):
        yield books
        return
    offices = books.offices
    asker = Asker(fleet, targets, offices.budgets, offices.trail, tell)
    loop = QualityLoop(fleet, Labels(offices.store, Sealer(pepper)), asker, tell)
    working = asyncio.create_task(loop.run())
    try:
        yield Watched(books, Egress(fleet), fleet.quality.sample, loop.take)
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
