"""Labels: one for each verdict, joined with what was said where that is kept, and gone with their tenant."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, text

from router.accounts.forget import forget
from router.accounts.labels import Answered, Case, Label, Labels
from router.accounts.sealed import Sealer
from router.accounts.store import Store
from router.accounts.tables import ledger
from tests.router.accounts.reception import PEPPER, Reception
from tests.router.accounts.rows import row_of

pytestmark = pytest.mark.anyio

LABEL = Label(
    "ql_1", "req_1", "acme", "judged", "s", "small", "learned-easy", "c", 0.1, 0.5, "exact-letter", "1", cost_micros=5
)


@pytest.fixture
async def labels(store: Store) -> Labels:
    """Of a database with the tenants acme and other."""
    for tenant in ("acme", "other"):
        await Reception(store).tenant(tenant)
    return Labels(store, Sealer(PEPPER))


async def _cases(labels: Labels) -> list[Case]:
    return await labels.cases()


async def test_a_case_has_its_words(labels: Labels) -> None:
    """Only answers of small whose words are kept can be learned from; a label written again is one."""
    await labels.keep("acme", "req_1", "How?", 30)
    await labels.keep("acme", "req_3", "Why?", 30)
    for label in (
        LABEL,
        LABEL._replace(score=1.0),
        LABEL._replace(id="ql_2", request_id="req_2"),
        LABEL._replace(id="ql_3", request_id="req_3", tier="large"),
        LABEL._replace(id="ql_4", request_id="req_1", tenant="other"),
    ):
        await labels.write(label)
    assert await _cases(labels) == [Case("req_1", "How?", "judged", "s", "c", 1.0)]


async def test_words_are_sealed_and_expire(labels: Labels, store: Store) -> None:
    """The database has no readable word of them, and none is given out that has expired."""
    await labels.keep("acme", "req_1", "How?", 30)
    await labels.write(LABEL)
    async with store.begin() as connection:
        kept = bytes(await connection.scalar(text("SELECT prompt FROM samples")))
        assert b"How?" not in kept
        await connection.execute(text("UPDATE samples SET expires_at = now()"))
    assert await _cases(labels) == []


async def test_gone_with_the_tenant(labels: Labels) -> None:
    """Deleted, nothing of it is left, and nothing can be written for it any more."""
    await labels.keep("acme", "req_1", "How?", 30)
    await labels.write(LABEL)
    removed = await _forgotten(labels)
    assert (removed["labels"], removed["samples"]) == (1, 1)
    await labels.keep("acme", "req_1", "How?", 30)
    await labels.write(LABEL)
    assert await _cases(labels) == []


async def _forgotten(labels: Labels) -> dict[str, int]:
    return await forget(labels._store, "acme")


async def test_what_was_answered(labels: Labels, store: Store) -> None:
    """A complete answer of the tenant's own, of the last weeks; of no other's."""
    async with store.begin() as connection:
        rows = [
            {**row_of(ledger, "acme"), "request_id": name, "outcome": outcome, "at": store.now()}
            for name, outcome in (("req_1", "complete"), ("req_2", "cut"))
        ]
        await connection.execute(insert(ledger), rows)
    found = await labels.answered("acme", "req_1")
    assert found == Answered("model of acme", "tier of acme", "reason of acme")
    assert [await labels.answered(*which) for which in (("other", "req_1"), ("acme", "req_2"), ("acme", "x"))] == [
        None,
        None,
        None,
    ]
