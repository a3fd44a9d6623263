"""``python -m router.quality``: one night's training, at the lowest priority; the fleet as JSON on standard input.

Whoever gets the lock trains; all others, and those who come after it is done, end at once. What came of it is one line
of JSON on standard output. Neighbour: :mod:`router.quality.nightly`, which starts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cluster.errors import FreeholdError, UsageError
from cluster.spec import Fleet
from router.accounts.labels import Labels
from router.accounts.pepper import load_pepper
from router.accounts.routers import Artefact, InUse, Routers
from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.decide.dial import share_for
from router.learn.artefact import Shelf, Trained, unpacked
from router.quality.retrain import retrained, stepped

_LOWEST = 19
_CONNECTIONS = 2


def main() -> int:
    """Train; returns the exit code."""
    os.nice(_LOWEST)
    try:
        fleet = Fleet.model_validate_json(sys.stdin.buffer.read())
        home = Path(os.environ["FREEHOLD_HOME"])
        found = asyncio.run(_night(fleet, os.environ["FREEHOLD_DATABASE_URL"], home))
    except FreeholdError as exc:
        sys.stderr.write(f"{exc}\n")
        return exc.exit_code
    sys.stdout.write(json.dumps(found) + "\n")
    return 0


async def _night(fleet: Fleet, url: str, home: Path) -> Mapping[str, Any]:
    store = await Store.open(url, _CONNECTIONS)
    try:
        routers, night = Routers(store), store.now().date().isoformat()
        async with routers.alone(night) as mine:
            if not mine:
                return {"night": night, "says": "another gateway does it, or has done it"}
            labels = Labels(store, Sealer(load_pepper(home, os.environ)))
            return await _train(fleet, routers, labels, home, night)
    finally:
        await store.close()


async def _train(fleet: Fleet, routers: Routers, labels: Labels, home: Path, night: str) -> Mapping[str, Any]:
    state = await routers.in_use()
    artefact = await routers.fetch(state.version) if state else None
    current = await asyncio.to_thread(_current, artefact, home)
    share = _held(fleet, current, state)
    found = await asyncio.to_thread(retrained, await labels.cases(), fleet, current, share)
    why = {"night": night, **found.why}
    if found.artefact is not None:
        await routers.promote(found.artefact, found.share, why)
        return why
    wanted, moved = stepped(fleet, current, share)
    if artefact is not None and moved is not None and moved != share:
        why |= {"share_wanted": wanted, "share_before": share, "says": f"{why['says']}; the share went a step on"}
        await routers.promote(artefact, moved, why)
    else:
        await routers.keep(why)
    return why


def _current(artefact: Artefact | None, home: Path) -> Trained | None:
    """The router in use; None where there is none, or none that can be used."""
    try:
        if artefact is None:
            return Shelf(home).current()
        return unpacked(artefact.card, artefact.model, "the router in use")
    except UsageError:
        return None


def _held(fleet: Fleet, current: Trained | None, state: InUse | None) -> float:
    """The share of the large tier now."""
    if state is not None and state.share is not None:
        return state.share
    asked = fleet.routing.quality
    if asked is not None and current is not None and current.curve:
        return share_for(asked, current.curve)
    return fleet.routing.large_share


if __name__ == "__main__":
    sys.exit(main())
