"""The description of the API has every route that accounts add, and says where no key is needed."""

from __future__ import annotations

import pytest

from router.admin.described import with_accounts
from router.wire.openapi import describe, page
from tests.router.admin.office import NOWHERE, Office
from tests.router.admin.test_matrix import OPEN
from tests.router.gateway import fleet_of

pytestmark = pytest.mark.anyio

DOCUMENT = with_accounts(describe(fleet_of(NOWHERE, NOWHERE, NOWHERE)))


async def test_every_route_is_described(office: Office) -> None:
    """Nothing that the application answers is missing, and nothing is described that it has not."""
    routes = {(method.lower(), path) for method, path in office.routes if method != "HEAD"}
    described = {(method, path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert routes <= described
    assert {path for _, path in described if "/admin/" in path} == {path for _, path in routes if "/admin/" in path}


def test_what_needs_no_key_says_so() -> None:
    """Everything needs a key but what is open to the world."""
    assert DOCUMENT["security"] == [{"key": []}]
    free = {
        path
        for path, methods in DOCUMENT["paths"].items()
        if any(one.get("security") == [] for one in methods.values())
    }
    assert free == OPEN


@pytest.mark.parametrize("body", ["NewTenant", "TenantChange", "NewKey", "Rotation", "Feedback", "Promotion"])
def test_bodies_are_described(body: str) -> None:
    """Each body is a schema of its own that refuses what it does not know, and the page for people has it."""
    assert DOCUMENT["components"]["schemas"][body]["additionalProperties"] is False
    assert f"id='{body}'" in page(DOCUMENT)
