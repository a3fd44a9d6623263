"""How soon a revocation is known to all gateways, and how soon a year of many tenants is added up and reported.

The year is generated as what the ledger leaves of it: the daily totals, which are all that ``freehold usage`` reads,
and the other sums, the bodies that left and the spans of replicas that ``freehold report`` reads.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.lab.accounts import Bank, fleet, gateways
from benchmarks.lab.caller import Caller, caller, question
from benchmarks.lab.processes import ROOT, BenchmarkError
from benchmarks.lab.sides import Side

GATEWAYS: Final = 4
_KEYS: Final = 20
TENANTS: Final = 200
_DAYS: Final = 365
ROWS: Final = 120_000_000
"""Of the ledger, that the generated totals stand for: a year of ten million requests a month."""
_PATIENCE_S: Final = 30.0

Figures = dict[str, float]

_YEAR: Final = """
    INSERT INTO usage_days (tenant, day, model, tier, reason, outcome, requests,
        prompt_tokens, completion_tokens, cached_tokens, gpu_ms, cost_micros, baseline_micros)
    SELECT 'tenant' || tenant, date_trunc('day', now(), 'UTC') - make_interval(days => day), 'model' || model,
        CASE model WHEN 1 THEN 'small' ELSE 'large' END, reason, outcome, %s, 1000, 500, 10, 100, 0, 340
    FROM generate_series(1, %s) AS tenant, generate_series(1, %s) AS day, generate_series(1, 2) AS model,
        unnest(ARRAY['short', 'long', 'named', 'cached']) AS reason, unnest(ARRAY['complete', 'gone']) AS outcome
"""
_KINDS: Final = 2 * 4 * 2
_REPORTED: Final = (
    """INSERT INTO traffic_hours
    SELECT date_trunc('hour', now(), 'UTC') - make_interval(hours => hour), tier, 7000, 7000000, 3500000, 70000,
        43000, 270000, 40000, 230000
    FROM generate_series(1, 365 * 24) AS hour, unnest(ARRAY['small', 'large']) AS tier RETURNING 1""",
    """INSERT INTO promise_days
    SELECT date_trunc('day', now(), 'UTC') - make_interval(days => day), 'model' || model, promise, 2, 0.95,
        160000, 158000
    FROM generate_series(1, 365) AS day, generate_series(1, 2) AS model,
        unnest(ARRAY['ttft_p95_s', 'tpot_p95_s', 'e2e_p95_s', 'error_rate', 'goodput']) AS promise RETURNING 1""",
    """INSERT INTO replica_spans
    SELECT 'model' || model, now() - make_interval(mins => 10 * span), now() - make_interval(mins => 10 * span - 10),
        'H100', 1, 1 + mod(span, 4), 4
    FROM generate_series(1, 365 * 144) AS span, generate_series(1, 2) AS model RETURNING 1""",
    """INSERT INTO egress (id, at, request_id, tenant, model, host, reason, bytes)
    SELECT 'e' || body, now() - make_interval(secs => body * 26), 'r' || body, 'tenant' || mod(body, 200),
        'claude', 'api.anthropic.com', 'spill-unable', 4000 FROM generate_series(1, 1200000) AS body RETURNING 1""",
)
"""What else a year leaves; of a hundredth of the requests, a body left the site."""


def reach(bank: Bank, engine: str, logs: Path) -> Figures:
    """Both of them, on the same gateways."""
    with gateways(bank, fleet(engine, logs / "reach.json"), logs, GATEWAYS) as sides:
        taken = [_revoked(bank, sides, number) for number in range(_KEYS)]
        return {
            "revoked_everywhere_ms": statistics.median(taken) * 1e3,
            "revoked_everywhere_max_ms": max(taken) * 1e3,
        } | _usage(bank, sides[0], logs / "reach.json")


def _revoked(bank: Bank, sides: Sequence[Side], number: int) -> float:
    """Seconds from asking one gateway to revoke a key until all of them have refused it."""
    key = bank.key(sides[0].url, f"revoked{number}", "plenty")
    return asyncio.run(_refused_everywhere(bank, sides, key))


async def _refused_everywhere(bank: Bank, sides: Sequence[Side], key: str) -> float:
    async with caller(key) as client:
        for side in sides:
            if not (await client.ask(side.url, question(temperature=0.7))).complete:
                msg = f"{side.name} does not take a new key; its log tells why"
                raise BenchmarkError(msg)
        began = time.perf_counter()
        revoking = asyncio.to_thread(_revoke, bank, sides[0], key)
        await asyncio.gather(revoking, *(_until_refused(client, side) for side in sides))
        return time.perf_counter() - began


async def _until_refused(client: Caller, side: Side) -> None:
    until = time.monotonic() + _PATIENCE_S
    while (await client.ask(side.url, question(temperature=0.7))).complete:
        if time.monotonic() > until:
            msg = f"{side.name} still takes a revoked key after {_PATIENCE_S:.0f} s"
            raise BenchmarkError(msg)


def _revoke(bank: Bank, side: Side, key: str) -> None:
    headers = {"authorization": f"Bearer {bank.admin}"}
    url = f"{side.url}/admin/keys/{key[3:15]}"
    request = urllib.request.Request(url, headers=headers, method="DELETE")  # noqa: S310  our own address
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310
        return


def _usage(bank: Bank, side: Side, file: Path) -> Figures:
    """Seconds of the whole commands, a few times."""
    each = ROWS // (TENANTS * _DAYS * _KINDS)
    totals = TENANTS * _DAYS * _KINDS
    bank.rows(_YEAR + " RETURNING 1", each, TENANTS, _DAYS)
    for statement in _REPORTED:
        bank.rows(statement)
    month = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    facts = f"{side.url}/admin/report?month={month}"
    headers = {"authorization": f"Bearer {bank.admin}"}
    began = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(facts, headers=headers), timeout=60) as answer:  # noqa: S310  ours
        told = len(answer.read())
    took = time.perf_counter() - began
    return {
        "usage_ledger_rows": each * totals,
        "usage_total_rows": totals,
        "usage_by_day_s": _seconds(bank, side, "usage", "--by", "day"),
        "report_facts_s": took,
        "report_facts_bytes": told,
        "report_month_s": _seconds(bank, side, "report", "--month", month, "--fleet", str(file)),
    }


def _seconds(bank: Bank, side: Side, *words: str) -> float:
    """Median of a few runs of a command."""
    command = [str(Path(sys.executable).with_name("freehold")), *words, "--json"]
    environment = os.environ | {"FREEHOLD_URL": side.url, "FREEHOLD_KEY": bank.admin}
    taken = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        taken.append(time.perf_counter() - began)
        if done.returncode:
            msg = f"freehold {words[0]} ended with {done.returncode}: {done.stderr.strip()[-200:]}"
            raise BenchmarkError(msg)
    return statistics.median(taken)
