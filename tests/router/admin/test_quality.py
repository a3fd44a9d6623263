"""A caller's word on an answer, and what admins see of quality and egress, over HTTP and from the terminal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert, text

from router.accounts.facts import Leaving
from router.accounts.labels import Label, Labels
from router.accounts.sealed import Sealer
from router.accounts.tables import ledger
from router.accounts.trail import Trail
from tests.router.accounts.reception import PEPPER, Reception
from tests.router.accounts.rows import row_of
from tests.router.admin.office import Office
from tests.router.admin.test_cli import Shell, shell

__all__ = ["shell"]
pytestmark = pytest.mark.anyio

REQUEST = "req_" + "a" * 24
PATH = "/v1/feedback"


@pytest.fixture
async def answered(reception: Reception) -> Reception:
    """The tenant acme has had an answer."""
    row = {**row_of(ledger, "acme"), "request_id": REQUEST, "outcome": "complete", "at": reception.store.now()}
    async with reception.store.begin() as connection:
        await connection.execute(
            insert(ledger).values({**row, "model": "s", "tier": "small", "reason": "short-prompt"})
        )
    return reception


async def _labels(reception: Reception) -> list[dict[str, Any]]:
    async with reception.store.begin() as connection:
        return [dict(row) for row in (await connection.execute(text("SELECT * FROM labels"))).mappings()]


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ({"rating": "good"}, 1.0),
        ({"rating": "bad"}, 0.0),
        ({"accepted": True}, 1.0),
        ({"accepted": False}, 0.0),
        ({"correction": "secret words"}, 0.0),
        ({"rating": "good", "correction": "secret words"}, 0.0),
    ],
    ids=str,
)
async def test_feedback_is_a_label(office: Office, answered: Reception, said: dict[str, Any], score: float) -> None:
    """With what the ledger knows of the answer; a later word takes the place of an earlier one; no text is kept."""
    key, _ = await answered.key("acme")
    await office.ask("POST", PATH, key, json.dumps({"request_id": REQUEST, "rating": "bad"}).encode())
    answer = await office.ask("POST", PATH, key, json.dumps({"request_id": REQUEST, **said}).encode())
    assert (answer.status, answer.json["score"]) == (200, score)
    [label] = await _labels(answered)
    expected = {"tenant": "acme", "model": "s", "tier": "small", "reason": "short-prompt", "source": "feedback"}
    assert {name: label[name] for name in expected} == expected
    assert (label["score"], label["propensity"], label["judge"]) == (score, 1.0, "caller")
    assert "secret" not in str(label)
    assert b"secret" not in office.log


@pytest.mark.parametrize(
    ("tenant", "body", "status"),
    [
        ("other", {"request_id": REQUEST, "rating": "good"}, 404),
        ("acme", {"request_id": "req_" + "b" * 24, "rating": "good"}, 404),
        ("acme", {"request_id": REQUEST}, 400),
        ("acme", {"request_id": REQUEST, "rating": "fine"}, 400),
        ("acme", {"request_id": "%", "rating": "good"}, 400),
        ("acme", {"request_id": REQUEST, "rating": "good", "tenant": "other"}, 400),
    ],
    ids=["another's", "none's", "nothing", "unknown-word", "no-id", "for-another"],
)
async def test_feedback_on_what_is_not_ones_own(
    office: Office, answered: Reception, tenant: str, body: dict[str, str], status: int
) -> None:
    """Another tenant's answer is as unknown as one that there never was."""
    key, _ = await answered.key(tenant)
    assert (await office.ask("POST", PATH, key, json.dumps(body).encode())).status == status
    assert await _labels(answered) == []


async def test_the_report(office: Office, shell: Shell, admin: str, answered: Reception) -> None:
    """``freehold quality`` and ``freehold egress`` say what the API says; a heading that there is not is refused."""
    labels, trail = Labels(answered.store, Sealer(PEPPER)), Trail(answered.store)
    label = Label("", REQUEST, "acme", "judged", "s", "small", "short-prompt", "c", 0.1, 1.0, "c", "1", cost_micros=7)
    for number in range(3):
        await labels.write(label._replace(id=f"ql_{number}"))
        await trail.record(Leaving(REQUEST, "acme", "c", "api.example", "quality-judge", 100))
    found = (await office.ask("GET", "/admin/quality?by=reason", admin)).json
    [row] = found["data"]
    assert (row["heading"], row["labels"], row["quality_share"]["value"]) == ("short-prompt", 3, 1.0)
    assert json.loads((await shell.run("quality", "--by", "reason", "--json")).stdout) == found
    shown = (await shell.run("quality")).stdout
    assert "small" in shown
    assert "100.0%" in shown
    left = json.loads((await shell.run("egress", "--tenant", "acme", "--json")).stdout)
    assert (left["total"], left["data"][0]["reason"]) == ({"requests": 3, "bytes": 300}, "quality-judge")
    assert "quality-judge" in (await shell.run("egress")).stdout
    assert (await office.ask("GET", "/admin/quality?by=key_id", admin)).status == 400


async def test_what_a_router_is_trained_on(
    office: Office, admin: str, answered: Reception, caplog: pytest.LogCaptureFixture
) -> None:
    """Admins get prompts in the clear, in the format of label files; that they did is in the log."""
    labels = Labels(answered.store, Sealer(PEPPER))
    await labels.keep("acme", REQUEST, "How?", 30)
    label = Label("ql_1", REQUEST, "acme", "judged", "s", "small", "", "c", 0.1, 0.0, "c", "1", cost_micros=0)
    await labels.write(label)
    with caplog.at_level("INFO"):
        answer = await office.ask("GET", "/admin/labels", admin)
    [row] = [json.loads(line) for line in answer.body.splitlines()]
    assert (row["prompt"], row["weak_score"], row["strong_score"]) == ("How?", 0.0, 1.0)
    assert "sampled prompts were read" in caplog.text
