"""Spans of replicas: extended while nothing changes, ended by silence, and added up to hours."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cluster.spec import Fleet
from router.accounts.month import facts_of
from router.accounts.spans import GAP_S, keep_spans, record, told
from router.accounts.store import Store
from tests.router.accounts.written import read
from tests.router.engine import until

pytestmark = pytest.mark.anyio

ON_H100 = {"source": "org/model", "accelerator": {"type": "H100", "count": 2}, "replicas": {"min": 0, "max": 4}}
ELSEWHERE = {"engine": "url", "url": "http://127.0.0.1:1"}
FLEET = Fleet.model_validate({"name": "f", "models": {"big": ON_H100, "far": ELSEWHERE}})


async def _pass(store: Store, seconds: float) -> None:
    """Let time pass: what is recorded moves into the past."""
    move = (
        "UPDATE replica_spans SET since = since - make_interval(secs => :s), until = until - make_interval(secs => :s)"
    )
    async with store.begin() as connection:
        await connection.execute(text(move), {"s": seconds})


async def _hours(store: Store) -> list[dict[str, Any]]:
    """What a report over all of it is told, in whole tens of seconds: the test itself takes a moment, too."""
    now = datetime.now(UTC)
    facts = await facts_of(store, now - timedelta(days=40), now + timedelta(days=1))
    sums = ("ms", "replica_ms", "most_ms")
    return [row | {name: row[name] // 10_000 for name in sums} for row in facts["replicas"]]


async def test_a_change_begins_a_span_and_ends_another(store: Store) -> None:
    """Thirty seconds of one, thirty of three, twenty of none: 120 replica-seconds of at most 320."""
    for replicas, seconds in ((1, 30), (3, 30), (0, 20)):
        await record(store, FLEET, {"big": replicas})
        await _pass(store, seconds)
    await record(store, FLEET, {"big": 0})
    usual = {"model": "big", "gpu": "H100", "gpus": 2, "most": 4}
    assert await _hours(store) == [usual | {"ms": 8, "replica_ms": 12, "most_ms": 32}]
    assert len(await read(store, "SELECT * FROM replica_spans")) == 3


async def test_what_does_not_change_is_one_row(store: Store) -> None:
    """However often it is said, also by several gateways."""
    for _ in range(5):
        await record(store, FLEET, {"big": 2, "far": 1, "unheard": 3})
        await _pass(store, 10)
    [row] = await read(store, "SELECT model, replicas FROM replica_spans")
    assert row == ("big", 2)


async def test_a_silence_is_not_filled(store: Store) -> None:
    """An hour in which nobody said anything counts neither as before nor as nothing."""
    await record(store, FLEET, {"big": 2})
    await _pass(store, 10)
    await record(store, FLEET, {"big": 2})
    await _pass(store, 3600)
    await record(store, FLEET, {"big": 2})
    await _pass(store, 10)
    await record(store, FLEET, {"big": 2})
    [row] = await _hours(store)
    assert (row["ms"], row["replica_ms"]) == (2, 4)


async def test_another_kind_of_gpu_is_another_span(store: Store) -> None:
    """A changed fleet file does not change what was."""
    other = FLEET.models["big"].model_copy(
        update={"accelerator": FLEET.models["big"].accelerator.model_copy(update={"type": "L40S"})}
    )
    await record(store, FLEET, {"big": 1})
    await _pass(store, 10)
    await record(store, FLEET.model_copy(update={"models": {"big": other}}), {"big": 1})
    assert [(row["gpu"], row["ms"]) for row in await _hours(store)] == [("H100", 1), ("L40S", 0)]


async def test_a_gateway_records_what_the_supervisor_says(store: Store, tmp_path: Path) -> None:
    """For as long as it runs."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "replicas.json").write_text('{"big": 2}')
    keeping = asyncio.create_task(keep_spans(store, FLEET, tmp_path))

    async def recorded() -> bool:
        return await read(store, "SELECT model, replicas FROM replica_spans") != []

    await until(recorded)
    keeping.cancel()
    assert await read(store, "SELECT model, replicas FROM replica_spans") == [("big", 2)]


def test_an_old_word_is_none(tmp_path: Path) -> None:
    """Nor is a missing or a broken one."""
    assert told(tmp_path) == {}
    file = tmp_path / "run" / "replicas.json"
    file.parent.mkdir()
    file.write_text("{")
    assert told(tmp_path) == {}
    file.write_text('{"big": 2}')
    assert told(tmp_path) == {"big": 2}
    old = time.time() - GAP_S - 1
    os.utime(file, (old, old))
    assert told(tmp_path) == {}
