"""The router in use follows the database's moves while the gateway runs; requests under way are not held up.

Neighbours: :mod:`router.accounts.routers` keeps the moves; without any, the files of this machine decide.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import NoReturn

from cluster.errors import UsageError
from cluster.spec import Fleet
from router.accounts.channels import ROUTERS
from router.accounts.errors import StoreUnavailableError
from router.accounts.routers import InUse, Routers
from router.accounts.store import Store
from router.decide.policy import Policy
from router.decide.scorer import Scorer
from router.decide.spill import difficulty_by
from router.learn.promoted import scorer

_log = logging.getLogger(__name__)


class Following:
    """One gateway worker's policy, kept true by notices."""

    def __init__(self, fleet: Fleet, store: Store, policy: Policy, home: Path) -> None:
        """``policy`` works with this machine's files, under ``home``, so far."""
        self._fleet, self._store, self._policy, self._home = fleet, store, policy, home
        self._routers = Routers(store)
        self._changed = asyncio.Event()
        self._now: InUse | None = None

    async def run(self) -> NoReturn:
        """Follow until cancelled."""
        self._store.on_change(_nothing, self._changed.set)
        await self._store.listen(ROUTERS, lambda _: self._changed.set())
        while True:
            self._changed.clear()
            try:
                await self._follow()
            except StoreUnavailableError:
                pass  # once it is back, it is asked again
            except UsageError as exc:
                _log.warning("the router that was promoted cannot be used; the one before goes on: %s", exc)
            await self._changed.wait()

    async def _follow(self) -> None:
        found = await self._routers.in_use()
        if found == self._now:
            return
        if found is None:
            here = await asyncio.to_thread(scorer, self._fleet.routing, self._home)
            self._policy.learn(here, difficulty_by(here))
        else:
            learned = await self._learned(found.version)
            self._policy.learn(learned, difficulty_by(learned), found.share)
        self._now = found
        _log.info("router in use: %s; %s", found.version if found else "this machine's own", self._policy.dial.says)

    async def _learned(self, version: str) -> Scorer:
        from router.learn.artefact import unpacked  # noqa: PLC0415 - numpy, which most gateways do without
        from router.learn.scorer import Learned  # noqa: PLC0415

        artefact = await self._routers.fetch(version)
        trained = await asyncio.to_thread(unpacked, artefact.card, artefact.model, f"router {version}")
        return Learned(trained, self._fleet.routing)


def _nothing() -> None:
    """While the database is away, the router in use stays."""
