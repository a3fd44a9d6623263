"""A month's facts from a ledger that the real gateway wrote, against sums that independent SQL takes of its rows."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cluster.spec import Fleet
from router.opening import Archive
from tests.router.accounts.test_books import PLANS, Bank
from tests.router.client import Response, fetch
from tests.router.engine import Engine
from tests.router.gateway import Running, Trio
from tests.router.hosted import spilling

pytestmark = pytest.mark.anyio

BASELINE = {"prompt": 3333, "completion": 7777.7}
"""Dollars per million tokens, so that sums have odd cents."""
SLO = {"ttft_p95_s": 30, "e2e_p95_s": 40, "goodput": 0.5}


@pytest.fixture
async def bank(engines: Trio, outside: Engine, database: str, tmp_path: Path) -> AsyncIterator[Bank]:
    """A gateway with accounts, a chain, a price list to compare with, and promises."""
    plain = spilling(engines, outside).model_dump(exclude_unset=True)
    budget = {"usd_per_day": 5, "usd_per_month": 5}
    more = {
        "tenants": {"access": "keys", "plans": PLANS, "budget": budget},
        "spillover": {"chain": ["c"], "baseline": BASELINE},
        "slo": SLO,
    }
    fleet = Fleet.model_validate({**plain, **more})
    (tmp_path / "fleet.json").write_text(fleet.model_dump_json(exclude_unset=True))
    async with Running(fleet, archive=Archive(database, tmp_path)) as running:
        yield Bank(running, database, (tmp_path / "admin.key").read_text().strip())


CENTS = """
    SELECT coalesce(tenant, 'all') AS who, sum(cost_micros) AS paid, sum(baseline_micros) AS instead,
        to_char(round(sum(cost_micros) / 1000000.0, 2), 'FM999990.00') AS paid_usd,
        to_char(round(sum(baseline_micros) / 1000000.0, 2), 'FM999990.00') AS instead_usd
    FROM ledger GROUP BY ROLLUP (tenant)
"""
"""As PostgreSQL's exact numbers round it; no sum of these tests lies on half a cent."""


async def month(bank: Bank, query: str = "") -> Response:
    """Ask for the facts."""
    headers = {"authorization": f"Bearer {bank._admin}"}
    return await fetch(bank.running.port, f"/admin/report{query}", method="GET", **headers)


@pytest.fixture
async def asked(bank: Bank) -> Bank:
    """Twelve answers of two tenants: five local ones whole and streamed, a cached one, embeddings, five of Claude's."""
    paying, plain = await bank.key("paying"), await bank.key("unlimited", "other")
    for stream in (False, True, True):
        assert (await bank.ask(plain, stream=stream)).status == 200
    for _ in range(2):
        assert (await bank.ask(paying, temperature=0)).status == 200
    for stream in (False, True, True, False, True):
        assert (await bank.ask(paying, model="c", stream=stream, max_tokens=50)).status == 200
    embed = {"model": "e", "input": "Hello"}
    headers = {"authorization": f"Bearer {plain}"}
    assert (await bank.running.post("/v1/embeddings", embed, **headers)).status == 200
    return bank


async def test_sums_are_those_of_the_rows(asked: Bank) -> None:
    """Every count and every millionth of a dollar, by tenant and model, and what left, is what the rows add up to."""
    facts = (await month(asked)).json
    rows = await asked.rows(
        "SELECT tenant, model, reason, outcome, count(*) AS requests, "
        "sum(prompt_tokens + completion_tokens) AS tokens, "
        "sum(cost_micros) AS cost_micros, sum(baseline_micros) AS baseline_micros "
        "FROM ledger GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    )
    assert facts["tenants"] == [{name: _whole(value) for name, value in row.items()} for row in rows]
    for name in ("requests", "cost_micros", "baseline_micros"):
        whole = sum(row[name] for row in rows)
        assert whole == sum(row[name] for row in facts["usage"]) > 0
    [left] = await asked.rows("SELECT count(DISTINCT request_id) AS requests, sum(bytes) AS bytes FROM egress")
    assert (facts["left_requests"], facts["outside"]) == (left["requests"], ["c"])
    [egress] = facts["egress"]
    assert (egress["requests"], egress["bodies"], egress["bytes"]) == (5, 5, left["bytes"])
    assert facts["whole"] is False


def _whole(value: Any) -> Any:  # noqa: ANN401 - of any column
    return value if isinstance(value, str) else int(value)


async def test_promises_are_judged_by_the_rows(asked: Bank) -> None:
    """Streams by their first token, complete answers by their end; neither cached ones nor embeddings."""
    promises = {row["promise"]: row for row in (await month(asked)).json["promises"]}
    told = {name: (row["bound_s"], row["wanted"], row["asked"], row["held"]) for name, row in promises.items()}
    assert told == {
        "ttft_p95_s": (30, 0.95, 5, 5),
        "e2e_p95_s": (40, 0.95, 9, 9),
        "error_rate": (None, 0.999, 9, 9),
        "goodput": (None, 0.5, 9, 9),
    }


async def test_the_load_is_that_of_the_rows(asked: Bank) -> None:
    """By hour and tier; a cached answer is no load."""
    hours = (await month(asked)).json["traffic"]
    [row] = await asked.rows(
        "SELECT count(*) AS n, sum(prompt_tokens) AS p, sum(ln(completion_tokens)) AS ln FROM ledger "
        "WHERE tier = 'small' AND reason <> 'cached'"
    )
    small = [hour for hour in hours if hour["tier"] == "small"]
    assert (sum(hour["requests"] for hour in small), sum(hour["prompt_tokens"] for hour in small)) == (
        row["n"],
        row["p"],
    )
    assert sum(hour["completion_ln"] for hour in small) == pytest.approx(float(row["ln"]))
    assert {hour["tier"] for hour in hours} == {"small", "spillover", "embedding"}


@pytest.mark.parametrize("query", ["?month=2026", "?month=2026-13", "?month=november", "?month="], ids=str)
async def test_no_month(bank: Bank, query: str) -> None:
    """400 with the parameter's name."""
    answer = await month(bank, query)
    assert (answer.status, answer.error["param"]) == (400, "month")


async def test_a_month_without_anything(asked: Bank) -> None:
    """It is whole, and empty, and says for which months there is something."""
    facts = (await month(asked, "?month=2001-02")).json
    assert (facts["since"][:10], facts["until"][:10], facts["whole"]) == ("2001-02-01", "2001-03-01", True)
    assert (facts["usage"], facts["egress"], facts["traffic"], facts["replicas"]) == ([], [], [], [])
    assert facts["first_month"] == facts["last_month"] != "2001-02"


async def _command(bank: Bank, home: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``freehold report`` with these options, while the gateway answers."""
    url = {"FREEHOLD_URL": f"http://127.0.0.1:{bank.running.port}", "FREEHOLD_KEY": bank._admin}
    command = [str(Path(sys.executable).with_name("freehold")), "report", "--fleet", str(home / "fleet.json"), *words]
    told = {**os.environ, **url, **environment}
    return await asyncio.to_thread(
        lambda: subprocess.run(command, env=told, capture_output=True, text=True, check=False, timeout=60)
    )


async def test_the_report_reconciles_with_the_ledger_to_the_cent(asked: Bank, tmp_path: Path) -> None:
    """The real command over the real API prints what independent SQL says in cents, in all and by tenant."""
    markdown = tmp_path / "report.md"
    done = await _command(asked, tmp_path, "--json", "--markdown", str(markdown))
    assert done.returncode == 0, done.stderr
    card, text = json.loads(done.stdout), markdown.read_text()
    sums = {row["who"]: row for row in await asked.rows(CENTS)}
    whole = sums["all"]
    assert (card["paid_usd"], card["all_claude_usd"]) == (whole["paid_usd"], whole["instead_usd"])
    assert (card["paid_micros"], card["all_claude_micros"]) == (whole["paid"], whole["instead"])
    assert sums.keys() == {"acme", "other", "all"}
    for who, row in sums.items():
        [line] = [line for line in text.splitlines() if line.startswith(f"| {who} | ") and "$" in line]
        assert line.endswith(f"| ${row['paid_usd']} | ${row['instead_usd']} |")
    assert f"| all on Claude | every answer at spillover.baseline, by the ledger | ${card['all_claude_usd']} |" in text


async def test_a_page_and_a_month_without_anything(asked: Bank, tmp_path: Path) -> None:
    """The page is written; for an empty month there is none, and exit code 2 with the months that have something."""
    page = tmp_path / "report.html"
    done = await _command(asked, tmp_path, "--html", str(page))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.read_text().startswith("<!doctype html>")
    empty = await _command(asked, tmp_path, "--month", "2001-02")
    assert (empty.returncode, empty.stdout) == (2, "")
    assert empty.stderr.startswith(
        "freehold: 2001-02: nothing was asked of this fleet in that month; there is something"
    )


async def test_without_accounts(bank: Bank, gateway: Running, tmp_path: Path) -> None:
    """A fleet without a ledger has nothing to report, and says what to set."""
    done = await _command(bank, tmp_path, FREEHOLD_URL=f"http://127.0.0.1:{gateway.port}")
    assert (done.returncode, done.stdout) == (2, "")
    assert "set tenants.access: keys" in done.stderr
