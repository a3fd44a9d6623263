"""How a step of the admin API becomes an answer, and the names that it finds in paths and queries.

What cannot be a name never reaches the database: PostgreSQL has no NUL, and we have no reason to look.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from cluster.spec.base import NAME_PATTERN
from router.accounts.errors import StoreUnavailableError
from router.accounts.secret import ID_PATTERN
from router.accounts.tenants import no_tenant
from router.api import Json, refused
from router.wire.errors import Refusal

MOST_IN_A_PAGE = 1000
_RETRY_S = 5
_NO_STORE = {"cache-control": "no-store"}

Answer = Mapping[str, Any] | Response
Step = Callable[[Request], Awaitable[Answer]]


def answered(step: Step) -> Callable[[Request], Awaitable[Response]]:
    """The one place where errors become answers, and facts JSON that nobody on the way may keep."""

    async def answer(request: Request) -> Response:
        try:
            found = await step(request)
        except Refusal as refusal:
            return refused(refusal)
        except StoreUnavailableError:
            msg = "The database is away; nothing is known of what was under way. Ask again."
            return refused(Refusal(503, msg, code="accounts_unavailable", retry_after=_RETRY_S))
        return found if isinstance(found, Response) else Json(found, headers=_NO_STORE)

    return answer


def page(cards: list[Mapping[str, Any]], limit: int) -> Mapping[str, Any]:
    """Some of a list; the rest comes with ``after`` the last of these."""
    return {"object": "list", "data": cards, "has_more": len(cards) == limit}


def limit_of(request: Request) -> int:
    """How many to a page."""
    given = request.query_params.get("limit", str(MOST_IN_A_PAGE))
    if not re.fullmatch("[0-9]{1,4}", given, re.ASCII) or not 1 <= int(given) <= MOST_IN_A_PAGE:
        raise Refusal(400, f"limit must be 1 to {MOST_IN_A_PAGE}.", param="limit", code="invalid_request")
    return int(given)


def tenant_in_query(request: Request, parameter: str = "tenant") -> str | None:
    """The tenant that a query names, if any."""
    return _named(request, parameter, NAME_PATTERN)


def key_in_query(request: Request, parameter: str) -> str | None:
    """The key's id that a query names, if any."""
    return _named(request, parameter, ID_PATTERN)


def tenant_in_path(request: Request) -> str:
    """The tenant that the path names."""
    name: str = request.path_params["tenant"]
    if re.fullmatch(NAME_PATTERN, name) is None:
        raise no_tenant(name)
    return name


def key_in_path(request: Request) -> str:
    """The key's id that the path names."""
    key_id: str = request.path_params["key"]
    if re.fullmatch(ID_PATTERN, key_id) is None:
        raise Refusal(404, "There is no such key; GET /admin/keys lists them.", param="key", code="key_not_found")
    return key_id


def _named(request: Request, parameter: str, pattern: str) -> str | None:
    given: str | None = request.query_params.get(parameter)
    if given is not None and re.fullmatch(pattern, given) is None:
        raise Refusal(400, f"{parameter} is not a name.", param=parameter, code="invalid_request")
    return given
