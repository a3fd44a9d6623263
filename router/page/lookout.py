"""What the page looks at: the gateway's events, the fleet's targets, its replicas, and whom it may ask about money."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from cluster.spec import Fleet
from router.accounts.store import Store
from router.backends.contract import Backend
from router.page.caches import Caches
from router.page.hour import MINUTES, Hour
from router.page.replicas import Replicas
from router.page.workers import Gauge, Share, Workers, add_up
from router.purse import Purse

EVERY_S = 1.0
PAST_EVERY_S = 10.0
"""The whole hour is a hundred times as much as what is new in it."""
RECENT_MINUTES = 5
_SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The directory that several workers of a gateway share; not set where there is one."""


class Lookout:
    """One gateway worker's."""

    def __init__(
        self, fleet: Fleet, targets: Mapping[str, Backend], home: Path | None = None, purse: Purse | None = None
    ) -> None:
        """``home`` is the fleet's directory, ``purse`` what pays while nobody has an account."""
        self.fleet = fleet
        self.hour, self.replicas = Hour(fleet), Replicas(fleet, home)
        self.store: Store | None = None
        """Where there are accounts; known once the gateway has started."""
        self.caches = Caches(targets.values())
        self._targets, self._purse = targets, purse
        folder = os.environ.get(_SHARED)
        self._recent, self._past = (Workers(Path(folder) if folder else None, kind) for kind in ("recent", "past"))

    async def recent(self) -> Share:
        """What all workers know of the last minutes, and of now."""
        return await asyncio.to_thread(self._recent.all, self._copy(RECENT_MINUTES))

    async def past(self) -> Share:
        """What all workers know of the last hour, some seconds ago."""
        return await asyncio.to_thread(self._past.all, self._copy(MINUTES))

    async def keep(self) -> NoReturn:
        """Tell the other workers, and see how many replicas there are, until cancelled."""
        past = -PAST_EVERY_S
        while True:
            recent = self._share(RECENT_MINUTES)
            self._recent.write(recent)
            self.replicas.look(recent.gauges)
            if time.monotonic() - past >= PAST_EVERY_S:
                past = time.monotonic()
                self._past.write(self._share(MINUTES))
            await asyncio.sleep(EVERY_S)

    def _copy(self, minutes: int) -> Share:
        """This worker's share as it is now, for another thread."""
        return add_up([self._share(minutes)], time.time())

    def _share(self, minutes: int) -> Share:
        """What this worker knows; it goes on changing."""
        gauges = {
            name: Gauge(target.slots.in_flight, target.slots.waiting, target.breaker.available)
            for name, target in self._targets.items()
        }
        spent = self._purse.spent + self._purse.reserved if self._purse else 0
        return Share(time.time(), self.hour.last(minutes), list(self.hour.problems), gauges, spent)
