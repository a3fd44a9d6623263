"""Starts a night's training, in a process of its own so that no request waits for it.

Any number of gateways may start one: the database lets one work (:mod:`router.quality.__main__`). The process gets the
database, the pepper, and none of the vendors' keys.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import date
from pathlib import Path
from typing import NoReturn

from cluster.spec import Fleet
from router.accounts.store import Store

HOURS = range(3, 6)
"""Of the night, UTC, by the database's clock."""
LOOK_S = 300.0
_PASSED_ON = ("HOME", "LANG", "PATH", "PYTHONPATH", "FREEHOLD_PEPPER", "OMP_NUM_THREADS")

_log = logging.getLogger(__name__)


async def nightly(fleet: Fleet, store: Store, url: str, home: Path) -> NoReturn:
    """Train once a night until cancelled."""
    done: date | None = None
    while True:
        now = store.now()
        if now.hour in HOURS and done != now.date() and store.available:
            done = now.date()
            _log.info("nightly training of the router: %s", await night(fleet, url, home))
        await asyncio.sleep(LOOK_S)


async def night(fleet: Fleet, url: str, home: Path) -> str:
    """Train now, unless that was done tonight; what came of it, on one line."""
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "router.quality"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**passed, "FREEHOLD_DATABASE_URL": url, "FREEHOLD_HOME": str(home)},
    )
    try:
        said, _ = await process.communicate(fleet.model_dump_json(exclude_defaults=True).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return (said.decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"])[-1]
