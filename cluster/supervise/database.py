"""The database of a start: one of ours, started before the gateway and kept running, or one that the fleet file names.

Neighbour: :mod:`cluster.supervise.postgres` is the server itself. A server that died is started again, as the gateway
is: the gateway does without it meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cluster.errors import StartError
from cluster.spec import Fleet
from cluster.supervise.events import Notice, Step, Tell
from cluster.supervise.postgres import Postgres
from cluster.supervise.state import Home

VARIABLE = "FREEHOLD_DATABASE_URL"
"""The environment variable in which the gateway finds its database; an argument could be read by everyone."""
_SPARE_CONNECTIONS = 20
"""For backups, for people, and for a gateway that is started while the last one still drains."""
_LOOK_S = 0.5


def embedded(home: Home, scratch: Path, fleet: Fleet | None = None) -> Postgres:
    """The server of ``home``, with connections for the gateway workers of ``fleet``."""
    workers = fleet.gateway.workers * (fleet.database.connections + 1) if fleet else 0
    connections = 2 * workers + _SPARE_CONNECTIONS
    return Postgres(home.root / "postgres", scratch, home.logs / "postgres.log", connections)


def url_of(fleet: Fleet, postgres: Postgres) -> str:
    """Where the gateway's database is; empty where it needs none."""
    if fleet.tenants.access == "open":
        return ""
    name = fleet.database.url_env
    if not name:
        return postgres.url
    if not os.environ.get(name):
        msg = f"database.url_env: the environment variable {name} is not set; set it, or leave the field out"
        raise StartError(msg)
    return os.environ[name]


@dataclass(slots=True)
class Database:
    """A running server of ours."""

    postgres: Postgres
    environment: Mapping[str, str]
    tell: Tell
    _server: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and say how long that took; StartError when it does not start."""
        began = time.monotonic()
        self._server = await asyncio.to_thread(self.postgres.start, self.environment)
        self.tell(Step(name="database", seconds=time.monotonic() - began))

    async def keep(self) -> NoReturn:
        """Start it again whenever it ends."""
        while True:
            if self._server is not None and self._server.poll() is not None:
                self.tell(Notice(text=f"the database ended; starting it again (log: {self.postgres.log})"))
                try:
                    await self.start()
                except (StartError, OSError) as exc:
                    self.tell(Notice(text=str(exc)))
            await asyncio.sleep(_LOOK_S)
