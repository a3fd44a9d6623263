"""What a lost site costs: one of two is killed, or frozen, under load, and another loses its engine alone.

``python benchmarks/sites.py [--quick] [--json FILE]``; docs/sites.md says what is found out how. Callers ask ``ber``,
which has so little to spare that part of it goes to ``fra``. ``*_detected_s`` is the time from the loss until ``ber``
says that ``fra`` is gone; ``*_failed_after`` are requests begun after that which had no whole answer, and
``*_failed_before`` those begun earlier: streams that ``fra`` had begun cannot be finished by anybody else.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab.caller import caller, question
from benchmarks.lab.processes import BenchmarkError, logs
from benchmarks.lab.report import Target, machine, publish, versions
from benchmarks.lab.sites import Asked, Site, gone_at, load, shares, two_sites

RATE: Final = 30.0
"""Requests a second."""
HOPS: Final = 300
WAYS: Final = {"killed": signal.SIGKILL, "frozen": signal.SIGSTOP}
TARGETS: Final = (
    *(Target(f"{way}_detected_s", "<=", 5) for way in WAYS),
    *(Target(f"{way}_failed_after", "==", 0) for way in (*WAYS, "engine")),
    Target("hop_added_p50_ms", "<=", 5),
)

Figures = dict[str, float]
Loss = Callable[[], float]


class Plan(NamedTuple):
    """How long each part takes, in seconds."""

    before: float
    after: float


def main() -> int:
    """Measure; 1 when a target is missed, 3 when something needed is missing."""
    parser = argparse.ArgumentParser(description="A site is lost under load.")
    parser.add_argument("--quick", action="store_true", help="eight seconds after each loss instead of thirty")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    plan = Plan(2, 8) if asked.quick else Plan(5, 30)
    figures: Figures = {}
    try:
        for way, number in WAYS.items():
            figures |= lost(way, number, plan)
        figures |= without_engine(plan)
        figures |= hop(HOPS // 10 if asked.quick else HOPS)
    except BenchmarkError as error:
        print(f"benchmarks/sites.py: {error}", file=sys.stderr)
        return error.exit_code
    return publish(figures, TARGETS, machine() | versions(["uvloop", "httptools", "uvicorn"]), asked.json)


def lost(way: str, number: int, plan: Plan) -> Figures:
    """``fra`` is gone at once, gateway and engine."""
    print(f"· fra is {way} at {RATE:g} requests/s", flush=True)
    with logs() as folder, two_sites(folder) as (ber, fra):
        asked, at = asyncio.run(_while(ber, plan, lambda: fra.lose(number)))
        found = gone_at(ber, "fra", at)
    if found is None:
        msg = f"ber never said that fra was gone, after {plan.after:g} s"
        raise BenchmarkError(msg)
    return _figures(way, asked, found) | {
        f"{way}_detected_s": found - at,
        f"{way}_share_of_fra_before": shares([one for one in asked if one.began < at], "s@fra"),
    }


def without_engine(plan: Plan) -> Figures:
    """``ber`` keeps its gateway and loses its engine; every failure counts, for a gateway needs no time to find out."""
    print("· ber loses its engine", flush=True)
    with logs() as folder, two_sites(folder) as (ber, _):
        asked, at = asyncio.run(_while(ber, plan, lambda: _end(ber)))
    return _figures("engine", asked, at)


async def _while(ber: Site, plan: Plan, lose: Loss) -> tuple[list[Asked], float]:
    loop = asyncio.get_running_loop()
    losing = loop.create_future()
    loop.call_later(plan.before, lambda: losing.set_result(lose()))
    asked = await load(ber, RATE, plan.before + plan.after)
    return asked, await losing


def _end(site: Site) -> float:
    at = time.time()
    site.engine.kill()
    return at


def _figures(way: str, asked: list[Asked], since: float) -> Figures:
    after = [one for one in asked if one.began > since]
    return {
        f"{way}_requests": len(asked),
        f"{way}_requests_after": len(after),
        f"{way}_failed_before": sum(not one.complete for one in asked if one.began <= since),
        f"{way}_failed_after": sum(not one.complete for one in after),
    }


def hop(count: int) -> Figures:
    """What crossing the border adds to a short answer, the two ways asked in turn, one request at a time."""
    print(f"· a hop, {count} times", flush=True)
    with logs() as folder, two_sites(folder) as (ber, _):
        here, there = asyncio.run(_in_turn(ber, count))
    return {"local_p50_ms": here * 1e3, "hop_p50_ms": there * 1e3, "hop_added_p50_ms": (there - here) * 1e3}


async def _in_turn(ber: Site, count: int) -> tuple[float, float]:
    taken: dict[str, list[float]] = {"s": [], "s@fra": []}
    async with caller("") as client:
        for _ in range(count):
            for model, found in taken.items():
                began = time.perf_counter()
                answer = await client.ask(ber.url, question(model, max_tokens=1))
                found.append(time.perf_counter() - began)
                if answer.model != model:
                    msg = f"{model} was asked, and {answer.model or answer.status} answered"
                    raise BenchmarkError(msg)
    return statistics.median(taken["s"]), statistics.median(taken["s@fra"])


if __name__ == "__main__":
    sys.exit(main())
