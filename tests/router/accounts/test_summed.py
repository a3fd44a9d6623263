"""Days summed up: every day once, the latest ones again, by what is promised when they are summed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cluster.spec import Slo
from router.accounts.group import Entry
from router.accounts.store import Store
from router.accounts.summed import sum_up
from tests.router.accounts.written import add_tenants, attempt, read, running

pytestmark = pytest.mark.anyio

SLO = Slo(ttft_p95_s=0.5, tpot_p95_s=0.01, e2e_p95_s=2, goodput=0.9)


async def _write(store: Store, spool: Path, *rows: dict[str, Any], days_ago: int = 0) -> None:
    at = store.now() - timedelta(days=days_ago)
    async with running(store, spool) as ledger:
        await ledger.write([Entry(attempt(at, **row)) for row in rows])


async def _promises(store: Store) -> dict[str, tuple[int, int]]:
    rows = await read(store, "SELECT promise, sum(asked)::int AS a, sum(held)::int AS h FROM promise_days GROUP BY 1")
    return {row.promise: (row.a, row.h) for row in rows}


@pytest.mark.parametrize(
    ("row", "broken"),
    [
        ({"ttft_ms": 500, "total_ms": 900}, set()),
        ({"ttft_ms": 501, "total_ms": 900}, {"ttft_p95_s", "goodput"}),
        ({"ttft_ms": 20, "total_ms": 600}, {"tpot_p95_s", "goodput"}),
        ({"ttft_ms": 20, "total_ms": 2001}, {"tpot_p95_s", "e2e_p95_s", "goodput"}),
    ],
    ids=["just in time", "late to begin", "slow", "late to end"],
)
async def test_a_stream_is_judged_by_what_it_breaks(
    store: Store, tmp_path: Path, row: dict[str, Any], broken: set[str]
) -> None:
    """Of fifty tokens; each promise by itself, and goodput by all of them."""
    await add_tenants(store, "acme")
    await _write(store, tmp_path, row)
    assert await sum_up(store, SLO) > 0
    assert {promise for promise, (asked, held) in (await _promises(store)).items() if held < asked} == broken


@pytest.mark.parametrize(
    ("row", "judged"),
    [
        ({"outcome": "failed", "completion_tokens": 0}, {"error_rate": (1, 0)}),
        ({"outcome": "cut"}, {"error_rate": (1, 0)}),
        ({"outcome": "gone"}, {}),
        ({"outcome": "retried"}, {}),
        ({"reason": "cached"}, {}),
        ({"endpoint": "embedding"}, {}),
        ({"stream": False}, {"e2e_p95_s": (1, 1), "error_rate": (1, 1), "goodput": (1, 1)}),
    ],
    ids=["failed", "cut", "client left", "retried", "cached", "embedding", "whole"],
)
async def test_what_is_judged_by_what(
    store: Store, tmp_path: Path, row: dict[str, Any], judged: dict[str, tuple[int, int]]
) -> None:
    """Failures by the error rate alone, whole answers by their end; what is nobody's failure by nothing."""
    await add_tenants(store, "acme")
    await _write(store, tmp_path, row)
    await sum_up(store, SLO)
    assert await _promises(store) == judged


async def test_each_day_once(store: Store, tmp_path: Path) -> None:
    """Summing again changes nothing; the first time goes back to the first row, later ones to the day before."""
    await add_tenants(store, "acme")
    for days in (9, 4, 0):
        await _write(store, tmp_path, {}, {}, days_ago=days)
    assert await sum_up(store, SLO) == 11
    assert await sum_up(store, SLO) == 2
    rows = await read(store, "SELECT requests, prompt_tokens, completion_tokens, cached_tokens FROM traffic_hours")
    assert rows == [(2, 200, 100, 20)] * 3
    assert await _promises(store) == dict.fromkeys(
        ("ttft_p95_s", "tpot_p95_s", "e2e_p95_s", "error_rate", "goodput"), (6, 6)
    )


async def test_days_keep_what_was_promised_then(store: Store, tmp_path: Path) -> None:
    """A promise that is changed binds from the days on that are summed again."""
    await add_tenants(store, "acme")
    await _write(store, tmp_path, {}, days_ago=5)
    await sum_up(store, Slo(ttft_p95_s=1, error_rate=1))
    await _write(store, tmp_path, {})
    await sum_up(store, Slo(ttft_p95_s=2, error_rate=1), store.now().date())
    rows = await read(store, "SELECT promise, bound_s FROM promise_days ORDER BY day")
    assert rows == [("ttft_p95_s", 1), ("ttft_p95_s", 2)]


async def test_one_gateway_sums_at_a_time(store: Store) -> None:
    """Whoever comes second leaves it to the first."""
    async with store.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(7246003)"))
        assert await sum_up(store, SLO) == 0
    assert await sum_up(store, SLO) == 1
