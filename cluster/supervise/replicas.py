"""The supervisor's word on how many replicas run: ``run/replicas.json`` below ``FREEHOLD_HOME``.

It is written anew every few seconds, so that whoever reads it (the gateway: :mod:`router.accounts.spans`) can tell a
word from an old one.
"""

from __future__ import annotations

import asyncio
import json
from typing import NoReturn

from cluster.supervise.processes import by_model, count_replicas
from cluster.supervise.state import Home, Record

EVERY_S = 10.0


async def keep_telling(home: Home, record: Record) -> NoReturn:
    """Look and write until cancelled; ``record`` is that of a fleet that is ready."""
    while True:
        home.tell_replicas(json.dumps(await asyncio.to_thread(replicas_of, record)))
        await asyncio.sleep(EVERY_S)


def replicas_of(record: Record) -> dict[str, int]:
    """Model → replicas that have a process now, those that start or drain included.

    Without Ray all simulated engines share one process; there the number is what the start said.
    """
    processes = by_model(record.run)
    return {
        model.name: count_replicas(processes.get(model.name, []))
        if model.name in processes or model.may_sleep
        else model.replicas
        for model in record.models
    }
