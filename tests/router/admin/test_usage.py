"""Usage over HTTP: one's own to everyone, all to admins; and a tenant's whole history to take along."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from router.accounts.tables import ledger, usage_days
from tests.router.accounts.reception import Reception
from tests.router.accounts.rows import row_of
from tests.router.admin.office import Office

pytestmark = pytest.mark.anyio


@pytest.fixture
async def used(reception: Reception) -> Reception:
    """The tenant acme has used something in October and in November, other in November."""
    async with reception.store.begin() as connection:
        for tenant, month, requests in (("acme", 10, 3), ("acme", 11, 4), ("other", 11, 5)):
            day = datetime(2026, month, 5, tzinfo=UTC)
            row = {**row_of(usage_days, tenant), "day": day, "model": "s", "requests": requests}
            await connection.execute(insert(usage_days).values(row))
        await connection.execute(insert(ledger).values(row_of(ledger, "acme")))
    return reception


async def test_ones_own(office: Office, used: Reception) -> None:
    """A key tells of its own tenant, by any heading, within any days."""
    key, _ = await used.key("acme")
    months = (await office.ask("GET", "/v1/usage?by=month", key)).json
    assert [(row["heading"], row["requests"]) for row in months["data"]] == [("2026-10", 3), ("2026-11", 4)]
    assert (months["tenant"], months["total"]["requests"]) == ("acme", 7)
    since = (await office.ask("GET", "/v1/usage?by=tenant&since=2026-11-01&until=2026-12-01", key)).json
    assert [(row["heading"], row["requests"]) for row in since["data"]] == [("acme", 4)]


@pytest.mark.parametrize("admin", [False, True], ids=["user", "admin"])
async def test_not_anothers(office: Office, used: Reception, *, admin: bool) -> None:
    """``/v1/usage`` never tells of another tenant, whoever asks."""
    key, _ = await used.key("acme", admin=admin)
    answer = await office.ask("GET", "/v1/usage?tenant=other", key)
    assert (answer.status, answer.error["code"]) == (403, "not_your_tenant")


async def test_everyones(office: Office, used: Reception, admin: str) -> None:
    """An admin sees all tenants, or the one that is named."""
    assert await used.tenants.find("acme")
    every = (await office.ask("GET", "/admin/usage?by=tenant", admin)).json
    assert [(row["heading"], row["requests"]) for row in every["data"]] == [("acme", 7), ("other", 5)]
    one = (await office.ask("GET", "/admin/usage?by=model&tenant=other", admin)).json
    assert [(row["heading"], row["requests"]) for row in one["data"]] == [("s", 5)]


@pytest.mark.parametrize(
    ("query", "param"),
    [("by=key_id", "by"), ("by=day;--", "by"), ("since=yesterday", "since"), ("until=2026-13-01", "until")],
    ids=["heading", "sql", "word", "month"],
)
async def test_bad_questions(office: Office, admin: str, query: str, param: str) -> None:
    """400 with the parameter's name."""
    answer = await office.ask("GET", f"/v1/usage?{query}", admin)
    assert (answer.status, answer.error["param"]) == (400, param)


async def test_nothing_used(office: Office, admin: str) -> None:
    """No row is an empty list and a total of zeros."""
    answer = (await office.ask("GET", "/v1/usage", admin)).json
    assert (answer["data"], answer["total"]["requests"]) == ([], 0)


async def test_all_that_is_kept(office: Office, used: Reception, admin: str) -> None:
    """Lines of JSON with the tenant's rows alone, and no digest."""
    key, _ = await used.key("acme")
    answer = await office.ask("GET", "/admin/tenants/acme/export", admin)
    lines = [json.loads(line) for line in answer.body.splitlines()]
    assert {line["table"] for line in lines} == {"tenants", "keys", "usage_days", "ledger"}
    assert all(line["row"].get("tenant", line["row"].get("name")) == "acme" for line in lines)
    assert b"digest" not in answer.body
    assert (await office.ask("GET", "/admin/tenants/nobody/export", admin)).status == 404
    assert (await office.ask("GET", "/admin/tenants/acme/export", key)).status == 403
