"""A canary in every prompt of a fleet with accounts and a quality loop, and an internet that must never see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cluster.spec import Fleet
from tests.router.client import Response
from tests.router.gateway import Trio
from tests.router.hosted import refuses
from tests.router.quality.examined import Examined, Place, hosted, local

pytestmark = pytest.mark.anyio

CANARY = "canary-4711"
NEVER = {"x_freehold_egress": "never"}
OPTIONS = f"{CANARY}: which?\nA) one\nB) two"


def _well(engines: Trio) -> None:
    """Small answers, large is a reference."""
    engines.small.then(*local("A", "words", "words"))
    engines.large.then(*local(*["C"] * 20))


def _small_down(engines: Trio) -> None:
    """Large stands in, and Claude would be the reference of its answers."""
    engines.small.stop()
    engines.large.then(*local("A", "words", "words"))


def _failing(engines: Trio) -> None:
    """Each of small's first attempts fails, and is tried again."""
    for text in ("A", "words", "words"):
        engines.small.then(refuses(500), *local(text))
    engines.large.then(*local(*["C"] * 20))


def _down(engines: Trio) -> None:
    """Nobody on the site answers."""
    engines.small.stop()
    engines.large.stop()


STATES: dict[str, Callable[[Trio], None]] = {
    "well": _well,
    "fallback": _small_down,
    "retries": _failing,
    "down": _down,
}
LOOPS: dict[str, dict[str, Any]] = {
    "claude-judged-by-claude": {"judge": "c"},
    "large-and-claude-judged-by-claude": {"references": ["l", "c"], "judge": "c"},
    "exact": {},
}


async def _everything(bank: Examined, plan: str, headers: dict[str, str]) -> list[Response]:
    """A prompt to be compared by its letter, one to be judged, one that is cached, and a word on the answers."""
    key = await bank.key(plan, tenant=plan)
    found = []
    for text, more in (
        (OPTIONS, {}),
        (CANARY, {"stream": True}),
        (CANARY, {"temperature": 0}),
        (CANARY, {"temperature": 0}),
    ):
        messages = [{"role": "user", "content": text}]
        found.append(await bank.ask(key, headers, messages=messages, model="auto", **more))
    for answer in found:
        said = {"request_id": answer.header("x-request-id"), "correction": CANARY, "rating": "bad"}
        await bank.running.post("/v1/feedback", said, authorization=f"Bearer {key}", **headers)
    return found


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("loop", LOOPS)
async def test_never_binds_sampling_and_judging(place: Place, state: str, loop: str) -> None:
    """Whether plan or request says it, not even a connection is opened to the outside, and no row says otherwise."""
    async with place.examined(**LOOPS[loop]) as bank:
        for plan, headers in (("open", NEVER), ("closed", {})):
            STATES[state](place.engines)
            answers = await _everything(bank, plan, headers)
            if state != "down":
                assert [answer.status for answer in answers] == [200] * 4
        if state != "down":
            await bank.compared(6)
        rows = await bank.rows("SELECT * FROM egress")
        text = bank.running.log_text
    assert (place.outside.opened, rows) == (0, [])
    assert CANARY not in text


async def test_what_is_compared_outside_is_on_record(place: Place) -> None:
    """Where it may leave, the references and the judge see it, and every byte of it has its row and its reason."""
    place.engines.small.then(*local("A", "words"))
    place.outside.then(*hosted("A", "better words", "B", "A"))
    async with place.examined(judge="c", in_flight=1) as bank:
        key = await bank.key("open")
        for text in (OPTIONS, CANARY):
            await bank.ask(key, messages=[{"role": "user", "content": text}])
        outcomes = [line["outcome"] for line in await bank.compared(2)]
        rows = await bank.rows("SELECT * FROM egress ORDER BY at")
        left = await bank.running.metric("freehold_egress_bytes_total")
        text = bank.running.log_text
    assert outcomes == ["tie", "loss"]
    assert all(CANARY in exchange.body.decode() for exchange in place.outside.seen)
    assert [row["bytes"] for row in rows] == [len(exchange.body) for exchange in place.outside.seen]
    assert sum(row["bytes"] for row in rows) == left
    assert [row["reason"] for row in rows] == ["quality-reference"] * 2 + ["quality-judge"] * 2
    assert CANARY not in text


@pytest.mark.parametrize(("headers", "asked"), [(NEVER, 0), ({}, 1)], ids=["never", "may"])
async def test_a_reference_elsewhere_is_bound_too(place: Place, headers: dict[str, str], asked: int) -> None:
    """One of your own needs no plan, yet what says never stays, and what goes is on record."""
    plain = place.fleet().model_dump(exclude_unset=True)
    plain["models"]["u"] = {"engine": "url", "url": place.outside.url, "egress": "same-owner"}
    plain |= {"tiers": {"small": ["s"], "large": ["u"]}, "quality": {**plain["quality"], "references": ["u"]}}
    place.engines.small.then(*local("A"))
    async with place.examined_as(Fleet.model_validate(plain)) as bank:
        key = await bank.key("closed")
        await bank.ask(key, headers, messages=[{"role": "user", "content": OPTIONS}], model="small")
        await bank.compared(1)
        rows = await bank.rows("SELECT * FROM egress")
    assert (len(place.outside.seen), [row["model"] for row in rows]) == (asked, ["u"] * asked)


async def test_the_database_has_no_word_in_the_clear(place: Place) -> None:
    """Not even of a tenant whose prompts may be kept: those are sealed."""
    place.outside.then(*hosted("better words", "B", "A"))
    async with place.examined(judge="c") as bank:
        await bank.ask(await bank.key("open"), messages=[{"role": "user", "content": CANARY}])
        await bank.compared(1)
        kept = {
            table: str(await bank.rows(f"SELECT {table}::text FROM {table}"))  # noqa: S608 - a table's name
            for table in ("samples", "labels", "egress", "ledger", "usage_days")
        }
    assert all(len(rows) > len("[]") for rows in kept.values())
    assert not [table for table, rows in kept.items() if CANARY in rows or CANARY.encode().hex() in rows]
