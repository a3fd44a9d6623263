"""Who may come in where: every route of the application by every kind of caller; what is new is closed by default."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import text

from router.accounts.pepper import Pepper
from router.accounts.secret import make_key
from router.wire.endpoints import ENDPOINTS
from tests.router.accounts.reception import Reception
from tests.router.admin.office import Office

pytestmark = pytest.mark.anyio

OPEN = {"/", "/page/{file}", "/healthz", "/readyz", "/docs", "/openapi.json"}
"""All that needs no key. Whoever adds a path here opens it to the world."""
NOT_IN = {401, 403, 429}
ROLES = ("nobody", "guess", "near miss", "revoked", "expired", "elsewhere", "user", "scoped", "site", "admin")


async def _key(reception: Reception, role: str) -> str:
    """A key of this role."""
    if role == "nobody":
        return ""
    if role == "guess":
        return make_key(Pepper(b"q" * 32)).text
    wanted: dict[str, dict[str, Any]] = {
        "elsewhere": {"networks": (ip_network("10.0.0.0/8"),), "admin": True},
        "scoped": {"endpoints": ("chat",)},
        "site": {"endpoints": ("site",)},
        "admin": {"admin": True},
    }
    key, issued = await reception.key("acme", **wanted.get(role, {}))
    if role == "near miss":
        return key[:-1] + ("A" if key[-1] != "A" else "B")
    async with reception.store.begin() as connection:
        if role == "revoked":
            await connection.execute(text("UPDATE keys SET revoked_at = now() WHERE id = :id"), {"id": issued.id})
        if role == "expired":
            await connection.execute(text("UPDATE keys SET expires_at = now() WHERE id = :id"), {"id": issued.id})
    return key


def _expected(role: str, path: str) -> set[int]:
    """The statuses of a refusal that are right; empty where the caller must be let in."""
    if path in OPEN or path == "/metrics":  # the test is a client on this machine
        return set()
    if role in {"nobody", "guess", "near miss", "revoked", "expired"}:
        return {401, 429}
    if role == "elsewhere":
        return {403}
    if path == "/v1/site":
        return set() if role == "site" else {403}
    if role == "admin":
        return set()
    endpoint = ENDPOINTS.get(path)
    scoped_out = {
        "scoped": path == "/v1/usage" or (endpoint is not None and endpoint.kind.value != "chat"),
        "site": path == "/v1/usage",
    }
    return {403} if path.startswith("/admin") or scoped_out.get(role) else set()


def _cells(office: Office) -> list[tuple[str, str]]:
    """Every method of every route, the generating endpoints, and what no route has."""
    generating = [("POST", path) for path in ENDPOINTS]
    others = [("GET", "/admin"), ("GET", "/admin/"), ("GET", "/admin/nothing"), ("PUT", "/v1/models")]
    return [*office.routes, *generating, *others]


@pytest.mark.parametrize("role", ROLES)
async def test_every_route(office: Office, reception: Reception, role: str) -> None:
    """Each cell of this role's row is as it must be."""
    key = await _key(reception, role)
    _, target = await reception.key("other")
    wrong: list[str] = []
    for method, path in _cells(office):
        url = (
            path.replace("{tenant}", "other")
            .replace("{key}", target.id)
            .replace("{model}", "s")
            .replace("{file}", "page.css")
        )
        assert "{" not in url, f"{path} has a parameter that this test must learn"
        answer = await office.ask(method, url, key, b"{}" if method in {"POST", "PATCH"} else b"")
        expected = _expected(role, path)
        if (answer.status not in expected) if expected else (answer.status in NOT_IN):
            wrong.append(f"{method} {path}: {answer.status}")
    assert not wrong


async def test_the_matrix_knows_every_route(office: Office) -> None:
    """All routes that are open are those listed here, and the routes that this test is about are there at all."""
    paths = {path for _, path in _cells(office)}
    assert paths >= {
        "/metrics",
        "/v1/models",
        "/admin/overview",
        "/admin/tenants/{tenant}",
        "/admin/keys/{key}/rotate",
        *OPEN,
        *ENDPOINTS,
    }


@pytest.mark.parametrize(
    "path",
    [
        "/healthz/../admin/tenants",
        "/healthz/",
        "//admin/tenants",
        "/Admin/tenants",
        "/admin%2Ftenants",
        "/%61dmin/tenants",
        "/docs/../v1/models",
        "/healthz;/admin/tenants",
        "/healthz%00",
        "/metrics/",
        "http://x/healthz/../admin/tenants",
    ],
)
async def test_no_path_leads_around_the_door(office: Office, path: str) -> None:
    """Whatever a path looks like, without a key it opens nothing."""
    assert (await office.ask("GET", path)).status in {400, 401}


@pytest.mark.parametrize("path", ["/admin%2Ftenants", "/%61dmin/tenants", "/admin/../admin/tenants", "/admin//tenants"])
async def test_no_path_leads_a_user_to_the_admins(office: Office, reception: Reception, path: str) -> None:
    """However it is written, a path that could reach an admin route needs an admin key."""
    key, _ = await reception.key("acme")
    assert (await office.ask("GET", path, key)).status in {403, 404}
    assert not re.search(b"object", (await office.ask("GET", path, key)).body)
