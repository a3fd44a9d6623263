"""The admin API over HTTP: what it does, what it refuses, and what it never shows."""

from __future__ import annotations

import json
import logging

import pytest

from tests.router.accounts.conftest import Server
from tests.router.accounts.outage import Outage
from tests.router.accounts.reception import Reception
from tests.router.admin.office import Office

pytestmark = pytest.mark.anyio


async def test_the_life_of_a_tenant(office: Office, admin: str) -> None:
    """Created with a plan and overrides, shown, changed, listed, deleted with an account of what went."""
    made = await office.ask("POST", "/admin/tenants", admin, {"name": "new", "overrides": {"messages_per_month": 5}})
    assert made.status == 200
    assert (made.json["plan"], made.json["effective"]["messages_per_month"]) == ("explorer", 5)
    await office.ask("POST", "/admin/keys", admin, {"tenant": "new"})
    changed = await office.ask(
        "PATCH", "/admin/tenants/new", admin, {"plan": "master", "reset": ["messages_per_month"]}
    )
    assert (changed.json["overrides"], changed.json["effective"]["egress"], changed.json["keys"]) == ({}, True, 1)
    listed = await office.ask("GET", "/admin/tenants?after=b", admin)
    assert [tenant["name"] for tenant in listed.json["data"]] == ["new", "other"]
    assert listed.json["has_more"] is False
    gone = await office.ask("DELETE", "/admin/tenants/new", admin)
    assert (gone.json["removed"]["tenants"], gone.json["removed"]["keys"]) == (1, 1)
    assert (await office.ask("GET", "/admin/tenants/new", admin)).status == 404


async def test_the_life_of_a_key(office: Office, admin: str) -> None:
    """Shown once; listed without its secret; rotated; revoked; each change holds at the next request."""
    body = {"tenant": "acme", "label": "app", "models": ["s"], "networks": ["127.0.0.0/8"], "expires_in_seconds": 3600}
    made = (await office.ask("POST", "/admin/keys", admin, body)).json
    assert (await office.ask("GET", "/v1/models", made["key"])).status == 200
    shown = await office.ask("GET", f"/admin/keys/{made['id']}", admin)
    assert {name: shown.json[name] for name in ("label", "models", "networks", "state")} == {
        "label": "app",
        "models": ["s"],
        "networks": ["127.0.0.0/8"],
        "state": "active",
    }
    rotated = (await office.ask("POST", f"/admin/keys/{made['id']}/rotate", admin)).json
    assert (rotated["replaces"]["id"], rotated["replaces"]["state"]) == (made["id"], "revoked")
    assert (await office.ask("GET", "/v1/models", rotated["key"])).status == 200
    revoked = await office.ask("DELETE", f"/admin/keys/{rotated['id']}", admin)
    assert revoked.json["state"] == "revoked"
    listed = await office.ask("GET", "/admin/keys?tenant=acme", admin)
    assert {key["id"] for key in listed.json["data"]} == {made["id"], rotated["id"]}
    for secret in (made["key"], rotated["key"]):
        assert secret[16:].encode() not in shown.body + revoked.body + listed.body


async def test_answers_with_secrets_are_not_kept(office: Office, admin: str) -> None:
    """No cache on the way may keep what the admin API says."""
    assert (await office.ask("POST", "/admin/keys", admin, {"tenant": "acme"})).header("cache-control") == "no-store"


Row = tuple[str, str, object, int, str | None]


@pytest.mark.parametrize(
    "row",
    [
        ("POST", "/admin/tenants", {"name": "a'; DROP TABLE tenants; --"}, 400, "name"),
        ("POST", "/admin/tenants", {"name": "a\0b"}, 400, "name"),
        ("POST", "/admin/tenants", {"name": "a\n"}, 400, "name"),
        ("POST", "/admin/tenants", {"name": ""}, 400, "name"),
        ("POST", "/admin/tenants", {}, 400, "name"),
        ("POST", "/admin/tenants", {"name": "a", "role": "admin"}, 400, "role"),
        ("POST", "/admin/tenants", {"name": "a", "plan": "platinum"}, 400, "plan"),
        ("POST", "/admin/tenants", {"name": "a", "overrides": {"egres": True}}, 400, "overrides.egres"),
        ("POST", "/admin/tenants", {"name": "acme"}, 409, "name"),
        ("POST", "/admin/tenants", [], 400, None),
        ("POST", "/admin/tenants", b"{", 400, None),
        ("POST", "/admin/tenants", b'{"name": "\\ud800"}', 400, None),
        ("POST", "/admin/tenants", b"[" * 60_000, 400, None),
        ("POST", "/admin/tenants", b"x" * 70_000, 413, None),
        ("PATCH", "/admin/tenants/acme", {"reset": ["no_field"]}, 400, "reset"),
        ("PATCH", "/admin/tenants/nobody", {}, 404, "tenant"),
        ("GET", "/admin/tenants/a%00b", b"", 404, "tenant"),
        ("GET", "/admin/tenants/'%20OR%201=1", b"", 404, "tenant"),
        ("DELETE", "/admin/tenants/nobody", b"", 404, "tenant"),
        ("GET", "/admin/tenants?limit=0", b"", 400, "limit"),
        ("GET", "/admin/tenants?limit=1e3", b"", 400, "limit"),
        ("GET", "/admin/tenants?after=%00", b"", 400, "after"),
        ("POST", "/admin/keys", {"tenant": "nobody"}, 404, "tenant"),
        ("POST", "/admin/keys", {"tenant": "acme", "admin": "true"}, 400, "admin"),
        ("POST", "/admin/keys", {"tenant": "acme", "label": "a\0"}, 400, "label"),
        ("POST", "/admin/keys", {"tenant": "acme", "models": ["gpt"]}, 400, "models"),
        ("POST", "/admin/keys", {"tenant": "acme", "tiers": ["huge"]}, 400, "tiers.0"),
        ("POST", "/admin/keys", {"tenant": "acme", "endpoints": ["admin"]}, 400, "endpoints"),
        ("POST", "/admin/keys", {"tenant": "acme", "networks": ["10.0.0.1/8"]}, 400, None),
        ("POST", "/admin/keys", {"tenant": "acme", "expires_in_seconds": 0}, 400, "expires_in_seconds"),
        ("POST", "/admin/keys", {"tenant": "acme", "expires_in_seconds": 10**30}, 400, "expires_in_seconds"),
        ("GET", "/admin/keys?tenant='--", b"", 400, "tenant"),
        ("GET", "/admin/keys/'%20OR%201=1", b"", 404, "key"),
        ("DELETE", "/admin/keys/aaaaaaaaaaaa", b"", 404, "key"),
        ("POST", "/admin/keys/aaaaaaaaaaaa/rotate", {"overlap_seconds": -1}, 400, "overlap_seconds"),
        ("POST", "/admin/keys/aaaaaaaaaaaa/rotate", {"overlap_seconds": 10**9}, 400, "overlap_seconds"),
    ],
    ids=lambda row: f"{row[0]} {row[1]} {str(row[2])[:50]}",
)
async def test_bad_input(office: Office, admin: str, row: Row) -> None:
    """Refused with the field's name, in OpenAI's shape; nothing of it has any effect."""
    method, path, body, status, param = row
    answer = await office.ask(method, path, admin, body)
    assert answer.status == status
    assert answer.error["param"] == param or (param is None and status == 400)
    names = [tenant["name"] for tenant in (await office.ask("GET", "/admin/tenants", admin)).json["data"]]
    assert names == ["acme", "admin", "other"]


async def test_text_is_stored_as_it_is(office: Office, admin: str) -> None:
    """What looks like SQL in a label is a label."""
    label = "Robert'); DROP TABLE keys; -- %s :name {0} 日本"
    made = (await office.ask("POST", "/admin/keys", admin, {"tenant": "acme", "label": label})).json
    assert (await office.ask("GET", f"/admin/keys/{made['id']}", admin)).json["label"] == label


async def test_a_key_of_a_scope(office: Office, admin: str) -> None:
    """Endpoints that a key does not name are closed to it; models and decisions stay visible."""
    key = (await office.ask("POST", "/admin/keys", admin, {"tenant": "acme", "endpoints": ["embedding"]})).json["key"]
    assert (await office.ask("POST", "/v1/embeddings", key, b"{}")).error["param"] == "model", "let in, and read"
    refused = await office.ask("POST", "/v1/chat/completions", key, b"{}")
    assert (refused.status, refused.error["code"]) == (403, "endpoint_not_allowed")
    assert (await office.ask("GET", "/v1/models", key)).status == 200


@pytest.mark.parametrize("header", ["authorization", "x_api_key"])
async def test_where_a_key_may_stand(office: Office, reception: Reception, header: str) -> None:
    """As OpenAI's clients send it, and as Anthropic's do."""
    key, _ = await reception.key("acme")
    value = f"bearer  {key}" if header == "authorization" else key
    assert (await office.ask("GET", "/v1/models", **{header: value})).status == 200


@pytest.mark.parametrize("path", ["/v1/models?api_key={key}", "/v1/models?key={key}", "/{key}/v1/models"])
async def test_and_where_not(office: Office, reception: Reception, path: str) -> None:
    """A key in an address would end in logs and histories; there it counts for nothing."""
    key, _ = await reception.key("acme")
    assert (await office.ask("GET", path.format(key=key))).status == 401


@pytest.mark.parametrize(
    "header", ["x_forwarded_for", "x_real_ip", "forwarded", "x_client_ip", "true_client_ip", "cf_connecting_ip"]
)
async def test_forged_addresses_gain_nothing(office: Office, admin: str, header: str) -> None:
    """A key that is bound to a network is not good elsewhere, whatever the request says of itself."""
    body = {"tenant": "acme", "networks": ["10.0.0.0/8"]}
    key = (await office.ask("POST", "/admin/keys", admin, body)).json["key"]
    forged = "for=10.0.0.1" if header == "forwarded" else "10.0.0.1"
    answer = await office.ask("GET", "/v1/models", key, **{header: forged})
    assert (answer.status, answer.error["code"]) == (403, "address_not_allowed")


async def test_metrics(office: Office, reception: Reception, admin: str) -> None:
    """Open to this machine; not to what a proxy on this machine passes on, unless it brings an admin key."""
    user, _ = await reception.key("acme")
    assert (await office.ask("GET", "/metrics")).status == 200
    assert (await office.ask("GET", "/metrics", x_forwarded_for="192.0.2.1")).status == 401
    assert (await office.ask("GET", "/metrics", user, x_forwarded_for="192.0.2.1")).status == 403
    assert (await office.ask("GET", "/metrics", admin, x_forwarded_for="127.0.0.1")).status == 200


@pytest.mark.parametrize("header", ["x_freehold_tenant", "x_freehold_role", "x_tenant", "x_user"])
async def test_a_role_of_ones_own_choosing(office: Office, reception: Reception, header: str) -> None:
    """No header makes an admin of a user."""
    key, _ = await reception.key("acme")
    assert (await office.ask("GET", "/admin/tenants", key, **{header: "admin"})).status == 403


async def test_a_refusal_says_how_to_come_in(office: Office) -> None:
    """401 has HTTP's challenge, and ends a connection on which a body is coming."""
    answer = await office.ask("POST", "/v1/chat/completions", body={"model": "auto"})
    assert (answer.status, answer.error["type"]) == (401, "authentication_error")
    assert answer.header("www-authenticate") == "Bearer"
    assert answer.header("connection") == "close"


async def test_who_did_what_is_in_the_log(office: Office, admin: str, caplog: pytest.LogCaptureFixture) -> None:
    """A change names the key that made it; no record or metric has a secret, nor a part of one that was refused."""
    with caplog.at_level(logging.DEBUG):
        made = (await office.ask("POST", "/admin/keys", admin, {"tenant": "acme"})).json
        await office.ask("GET", "/v1/models", made["key"][:-1] + "!")
        await office.ask("DELETE", f"/admin/keys/{made['id']}", admin)
    assert f"created key {made['id']}, by key {admin[3:15]}" in caplog.text
    records = json.dumps([record.__dict__ for record in caplog.records], default=repr)
    metrics = (await office.ask("GET", "/metrics")).body.decode()
    seen = caplog.text + records + metrics + office.log.decode()
    for secret in (made["key"], admin):
        assert secret[16:32] not in seen


async def test_without_the_database(office: Office, server: Server, database: str, admin: str) -> None:
    """An admin whose key is known is told that nothing can be changed now; a stranger learns nothing."""
    assert (await office.ask("GET", "/admin/tenants", admin)).status == 200
    with Outage(database, server.url("postgres")) as outage:
        outage.begin()
        answer = await office.ask("POST", "/admin/tenants", admin, {"name": "new"})
        assert (answer.status, answer.error["code"], answer.header("retry-after")) == (503, "accounts_unavailable", "5")
        assert (await office.ask("GET", "/admin/tenants", "fh-guess")).status == 401
        assert (await office.ask("GET", "/healthz")).status == 200


async def test_a_flood_does_not_fill_the_log(office: Office) -> None:
    """The first wrong keys of an address are logged, a line each; what follows is only counted."""
    statuses = [
        (await office.ask("POST", "/v1/chat/completions", f"fh-{number}", b"{}")).status for number in range(60)
    ]
    lines = [json.loads(line) for line in office.log.splitlines()]
    refused = [line for line in lines if line["event"] == "request"]
    assert statuses.count(429) > 20
    assert len(refused) == statuses.count(401)
    assert b"fh-" not in office.log
