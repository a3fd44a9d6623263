"""Money for one and messages for a thousand, asked for through four gateways at once: is it exactly so much?

Not covered: what may be asked for in a minute; ``tests/router/accounts`` compares all limits with a serial model.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.lab.accounts import PLANS, PRICE, Bank, fleet, gateways
from benchmarks.lab.answers import CHUNKS
from benchmarks.lab.caller import Answer, caller, question
from benchmarks.lab.processes import BenchmarkError
from benchmarks.lab.sides import Side
from cluster.spec import Limits, Price
from router.accounts.budget import worst_case
from router.decide.features import understand
from router.wire.endpoints import ENDPOINTS
from router.wire.parse import parse

GATEWAYS: Final = 4
PAID_CALLS: Final = 500
MESSAGES: Final = 1000
CALLS: Final = 1500
_LANES: Final = 64
_KILL_AFTER: Final = 300
"""Answers after which one of the gateways is killed."""
_LEASES_BACK_S: Final = 60.0
_REFUSED, _UNPAID = 429, 402
_SOON_S: Final = 5
"""A refusal for so long at most asks to come back; a longer one says that the month's messages are gone."""
_CHAT: Final = "/v1/chat/completions"

Figures = dict[str, float]


def races(bank: Bank, engine: str, logs: Path) -> Figures:
    """All three of them, on the same four gateways."""
    body = question("paid", max_tokens=CHUNKS, temperature=0.7)
    worst = _worst_case(body)
    money = {"egress": True, "usd_per_day": worst / 1e6, "usd_per_month": worst / 1e6}
    plans = PLANS | {"one": money, "thousand": {"messages_per_month": MESSAGES}}
    spec = fleet(engine, logs / "races.json", plans=plans)
    with gateways(bank, spec, logs, GATEWAYS) as sides:
        figures = _budget(bank, sides, body, worst)
        return figures | _quota(bank, sides) | _quota_with_a_death(bank, sides)


def _worst_case(body: bytes) -> int:
    """Millionths of a dollar that the gateway has to reserve for a request."""
    endpoint = ENDPOINTS[_CHAT]
    ask = understand(endpoint, parse(endpoint, body, Limits()))
    return worst_case(Price(prompt=PRICE, completion=PRICE), ask.most_tokens, ask.answer_tokens)


def _budget(bank: Bank, sides: Sequence[Side], body: bytes, worst: int) -> Figures:
    key = bank.key(sides[0].url, "pays", "one")
    answers = asyncio.run(_all_at_once(key, sides, body))
    statuses = Counter(answer.status for answer in answers)
    spent = bank.count("SELECT max(spent_micros) FROM budget_windows WHERE tenant = 'pays'")
    reserved = bank.count("SELECT sum(reserved_micros) FROM budget_windows WHERE tenant IN ('pays', '')")
    return {
        "budget_calls": len(answers),
        "budget_passed": sum(answer.complete for answer in answers),
        "budget_refused": statuses[_UNPAID],
        "budget_micros": worst,
        "budget_spent_micros": spent,
        "budget_overspend_micros": max(0, spent - worst),
        "budget_phantom_micros": reserved + bank.count("SELECT sum(micros) FROM reservations"),
    }


async def _all_at_once(key: str, sides: Sequence[Side], body: bytes) -> list[Answer]:
    async with caller(key) as client:
        calls = (client.ask(sides[number % len(sides)].url, body) for number in range(PAID_CALLS))
        return await asyncio.gather(*calls)


@dataclass(slots=True)
class _Race:
    """Many calls for few messages."""

    urls: list[str]
    """Gateways that live."""
    calls: int
    victim: int = 0
    """Process to kill in the middle of it; 0 for none."""
    admitted: int = 0
    refused: int = 0
    lost: int = 0
    """Calls whose gateway died under them, of which a caller knows nothing."""
    again: int = 0
    """Refusals that asked to come back soon."""
    killed_at: float = 0.0


async def _race(race: _Race, key: str) -> None:
    """Each call ends admitted, refused for good, or lost."""
    body, left = question(temperature=0.7), iter(range(race.calls))
    async with caller(key) as client:

        async def lane() -> None:
            for number in left:
                while True:
                    answer = await client.ask(race.urls[number % len(race.urls)], body)
                    if not (answer.status == _REFUSED and answer.retry_after <= _SOON_S):
                        break
                    race.again += 1
                    await asyncio.sleep(0.1)
                _count(race, answer)
                if race.victim and not race.killed_at and race.admitted >= _KILL_AFTER:
                    race.killed_at = time.monotonic()
                    race.urls.pop()
                    os.kill(race.victim, signal.SIGKILL)

        await asyncio.gather(*(lane() for _ in range(_LANES)))


def _count(race: _Race, answer: Answer) -> None:
    if answer.complete:
        race.admitted += 1
    elif answer.status == _REFUSED:
        race.refused += 1
    elif race.killed_at and not answer.whole:
        race.lost += 1
    else:
        msg = f"a call for a message ended with status {answer.status}; the gateways' logs tell why"
        raise BenchmarkError(msg)


def _quota(bank: Bank, sides: Sequence[Side]) -> Figures:
    race = _Race([side.url for side in sides], CALLS)
    asyncio.run(_race(race, bank.key(sides[0].url, "thousand", "thousand")))
    return {
        "quota_calls": race.calls,
        "quota_admitted": race.admitted,
        "quota_refused": race.refused,
        "quota_asked_again": race.again,
        "quota_rows": _rows(bank, "thousand"),
    }


def _quota_with_a_death(bank: Bank, sides: Sequence[Side]) -> Figures:
    """One gateway dies in the middle; what it had leased comes back when the others notice, and is then used up."""
    *_, victim = sides
    key = bank.key(sides[0].url, "killed", "thousand")
    race = _Race([side.url for side in sides], CALLS, victim.process.pid)
    asyncio.run(_race(race, key))
    seconds = time.monotonic() - race.killed_at
    _await_leases(bank)
    last = _Race([side.url for side in sides[:-1]], CALLS)
    asyncio.run(_race(last, key))
    used = bank.count("SELECT sum(used) FROM quota_windows WHERE tenant = 'killed'")
    return {
        "quota_killed_admitted": race.admitted,
        "quota_killed_lost": race.lost,
        "quota_killed_asked_again": race.again,
        "quota_killed_until_all_ended_s": seconds,
        "quota_killed_admitted_in_the_end": race.admitted + last.admitted,
        "quota_killed_used": used,
        "quota_killed_charged_unseen": used - race.admitted - last.admitted,
        "quota_killed_charged_beyond_lost": max(0, used - race.admitted - last.admitted - race.lost),
        "quota_killed_over": max(0, race.admitted + last.admitted - MESSAGES, used - MESSAGES),
        "quota_killed_used_minus_rows": used - _rows(bank, "killed"),
    }


def _await_leases(bank: Bank) -> None:
    """Until the others have noticed the death: what is left of the month is leased by the living alone."""
    until = time.monotonic() + _LEASES_BACK_S
    while bank.count("SELECT count(*) FROM gateways") >= GATEWAYS:
        if time.monotonic() > until:
            msg = f"the leases of a killed gateway have not come back within {_LEASES_BACK_S:.0f} s"
            raise BenchmarkError(msg)
        time.sleep(0.2)


def _rows(bank: Bank, tenant: str) -> int:
    return bank.count("SELECT count(*) FROM ledger WHERE tenant = %s AND outcome = 'complete'", tenant)
