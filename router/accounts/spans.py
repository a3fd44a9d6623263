"""How many replicas of each model ran when, as spans of time; gateways extend the last one while nothing changes.

Who knows is the supervisor (``freehold up``, ``freehold rehearse``): it writes ``run/replicas.json`` below
``FREEHOLD_HOME`` every few seconds (:mod:`cluster.supervise.replicas`). A time that no span covers is unknown, and is
never taken for zero or for as before. Neighbour: :mod:`router.accounts.month` adds the spans up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import orjson
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from cluster.spec import Fleet
from router.accounts.errors import StoreUnavailableError
from router.accounts.store import Store

EVERY_S = 5.0
GAP_S = 60.0
"""A longer time without a word ends a span, and makes the file's figures stale."""

_log = logging.getLogger(__name__)

_RECORD = text("""
    WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset(CAST(:rows AS json))
            AS given(model text, gpu text, gpus integer, replicas integer, most integer)
    ),
    extended AS (
        UPDATE replica_spans s SET until = now() FROM given g
        WHERE s.model = g.model AND s.since = (SELECT max(since) FROM replica_spans WHERE model = g.model)
            AND s.until > now() - make_interval(secs => :gap)
        RETURNING g.model, (s.gpu, s.gpus, s.replicas, s.most) = (g.gpu, g.gpus, g.replicas, g.most) AS same
    )
    INSERT INTO replica_spans (model, since, until, gpu, gpus, replicas, most)
    SELECT model, now(), now(), gpu, gpus, replicas, most FROM given g
    WHERE NOT EXISTS (SELECT FROM extended e WHERE e.model = g.model AND e.same)
    ON CONFLICT DO NOTHING
""")


async def keep_spans(store: Store, fleet: Fleet, home: Path) -> NoReturn:
    """Record what the supervisor says until cancelled; where there is none, nothing is recorded."""
    while True:
        replicas = await asyncio.to_thread(told, home)
        if replicas:
            try:
                await record(store, fleet, replicas)
            except (StoreUnavailableError, DBAPIError) as exc:
                _log.warning("replicas are not recorded: %s", exc)
        await asyncio.sleep(EVERY_S)


def told(home: Path) -> dict[str, int]:
    """Model → replicas, as the supervisor last said below the fleet's directory; empty where it has not lately."""
    file = home / "run" / "replicas.json"
    try:
        if time.time() - file.stat().st_mtime > GAP_S:
            return {}
        found: dict[str, int] = orjson.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found


async def record(store: Store, fleet: Fleet, replicas: Mapping[str, int]) -> None:
    """So many replicas run now, on what the fleet file names; models that run elsewhere, also in truth, are left out.

    Raises:
        StoreUnavailableError: the database is away.

    """
    rows: list[dict[str, Any]] = [
        {
            "model": name,
            "gpu": model.accelerator.type,
            "gpus": model.accelerator.count,
            "replicas": replicas[name],
            "most": max(model.replicas.max, replicas[name]),
        }
        for name, model in fleet.models.items()
        if name in replicas and model.runs_here and not model.is_outside
    ]
    async with store.begin() as connection:
        await connection.execute(_RECORD, {"rows": orjson.dumps(rows).decode(), "gap": GAP_S})
