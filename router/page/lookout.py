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
from router.page.hour import Hour
from router.page.replicas import Replicas
from router.page.workers import Gauge, Share, Workers
from router.purse import Purse

EVERY_S = 1.0
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
        self._workers = Workers(Path(folder) if folder else None)

    def all(self) -> Share:
        """What all workers know."""
        return self._workers.all(self._share())

    async def keep(self) -> NoReturn:
        """Tell the other workers, and see how many replicas there are, until cancelled."""
        while True:
            share = self._share()
            self._workers.write(share)
            self.replicas.look(share.gauges)
            await asyncio.sleep(EVERY_S)

    def _share(self) -> Share:
        """What this worker knows."""
        gauges = {
            name: Gauge(target.slots.in_flight, target.slots.waiting, target.breaker.available)
            for name, target in self._targets.items()
        }
        spent = self._purse.spent + self._purse.reserved if self._purse else 0
        return Share(time.time(), self.hour.minutes, list(self.hour.problems), gauges, spent)
