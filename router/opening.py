"""Opening and closing the accounts of a gateway worker: database, keys, quotas, budgets, ledger, in that order.

What settles is closed first: the ledger has to have written everything before leases are given back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from cluster.spec import Fleet
from router.accounts.budget import Budgets
from router.accounts.cache import Responses
from router.accounts.door import Doorkeeper
from router.accounts.first import first_admin_key
from router.accounts.keys import Keys
from router.accounts.ledger import Ledger
from router.accounts.migrations import migrate
from router.accounts.partitions import keep, prepare
from router.accounts.pepper import Pepper, load_pepper
from router.accounts.quota import Quotas
from router.accounts.spans import keep_spans
from router.accounts.store import Store
from router.accounts.summed import keep_summed
from router.accounts.tidy import keep_tidy
from router.accounts.trail import Trail
from router.books import Books, Offices
from router.decide.policy import LoadOf

_log = logging.getLogger(__name__)


class Archive(NamedTuple):
    """Where accounts are kept."""

    url: str
    """Of the database."""
    home: Path
    """Directory of this machine's secrets and of the spool."""


class Opened(NamedTuple):
    """What the composition root needs of it."""

    books: Books
    pepper: Pepper


@asynccontextmanager
async def opened(fleet: Fleet, archive: Archive, load: LoadOf) -> AsyncIterator[Opened]:
    """Accounts for as long as the gateway runs.

    Raises:
        StoreUnavailableError: the database does not answer.
        StartError: the pepper is missing or another one.

    """
    await asyncio.to_thread(migrate, archive.url)
    pepper = load_pepper(archive.home, os.environ)
    store = await Store.open(archive.url, fleet.database.connections)
    try:
        await prepare(store)
        made = await first_admin_key(store, pepper, fleet.tenants, archive.home)
        if made is not None:
            _log.info("made an admin key: %s", made)
        async with _offices(fleet, store, pepper, archive.home) as offices:
            yield Opened(Books(fleet, offices, load), pepper)
    finally:
        await store.close()


@asynccontextmanager
async def _offices(fleet: Fleet, store: Store, pepper: Pepper, home: Path) -> AsyncIterator[Offices]:
    gateway = f"{os.getpid()}-{secrets.token_hex(6)}"
    keys = Keys(store, fleet.tenants, pepper)
    await keys.start()
    quotas = await Quotas.open(store, gateway)
    budgets = Budgets(store, fleet)
    responses = await Responses.open(store, fleet)
    ledger = Ledger(store, gateway, home / "spool")
    writing = asyncio.create_task(ledger.run())
    months = fleet.tenants.ledger_months
    work = [quotas.run(), budgets.run(), responses.run(), keep(store, months), keep_tidy(store, months)]
    work += [keep_summed(store, fleet.slo), keep_spans(store, fleet, home)]
    tasks = [asyncio.create_task(job) for job in work]
    try:
        yield Offices(store, Doorkeeper(keys, pepper, store), quotas, budgets, ledger, responses, Trail(store))
    finally:
        await ledger.close()
        await asyncio.gather(writing, return_exceptions=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await responses.close()
        await quotas.close()
        await keys.close()
