"""The accounts' side of one request: what it may use, what it holds while under way, what is written when it ends.

:class:`Tab` is the desk's answer for one request. In open mode nobody is asked anything and nothing is counted; with
accounts (:class:`router.books.Books`) the same four calls hold quota, reserve money and write the ledger.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from starlette.types import Scope

from router.accounts.facts import SITE, Leaving, Principal
from router.accounts.kept import Answer
from router.backends.fairness import Caller
from router.backends.slots import ANYONE
from router.decide.facts import Ask, Terms
from router.observe.events import Finished
from router.wire.endpoints import Endpoint
from router.wire.origin import refuse_foreign_page
from router.wire.parse import Request

Headers = list[tuple[bytes, bytes]]


class Tab:
    """One request's account; this one is open: nothing is asked, nothing is counted."""

    allowed: Collection[str] | None = None
    """Models that may answer; None for all."""
    terms: Terms = Terms()
    """The same, and what else the account says about who may."""
    caller: Caller = ANYONE
    """On whose behalf it waits for a slot."""
    tenant: str = ""
    keeps_samples: bool = False
    """Whether what is said in it may be kept to train the router."""

    async def hold(self, ask: Ask) -> Headers:
        """Hold what the request may use; gives back headers about the limits.

        Raises:
            Refusal: 429 over a limit, 503 where that cannot be told.

        """
        del ask
        return []

    async def cached(self, endpoint: Endpoint, request: Request, model: str) -> Answer | None:
        """The answer that the same caller had for the same request, if it is kept."""
        del endpoint, request, model
        return None

    def passed(self, data: bytes) -> None:
        """A piece of the answer goes to the client; it may be kept to be given again."""

    async def pay(self, event: Finished, model: str) -> None:
        """Before an attempt at a paid model: reserve what it can cost at most.

        Raises:
            Refusal: 402 when a budget is gone, 503 when the database is away.

        """

    async def leaves(self, leaving: Leaving) -> None:
        """Have it on record that a body is about to leave the site.

        Raises:
            Refusal: 503 when it cannot be; then it stays.

        """

    def failed(self, event: Finished, model: str, *, retried: bool) -> None:
        """The attempt failed; where it is ``retried`` its row is written together with the last one's."""

    def escalated(self, event: Finished, model: str) -> None:
        """The attempt was given up for a better model; its row has what it generated, the caller's quota has not."""

    async def settle(self, event: Finished) -> None:
        """Write what the request used; returns when that is durable. Only the first call counts.

        Raises:
            Refusal: 503; it can be kept nowhere, so the answer must not end as if it were complete.

        """


OPEN_TAB = Tab()


def terms_of(principal: Principal | None, allowed: Collection[str] | None) -> Terms:
    """What an account says about who may answer; everybody where there is none."""
    if principal is None:
        return Terms(allowed)
    plan = principal.plan
    is_site = SITE in principal.scope.endpoints
    return Terms(allowed, principal.tenant, principal.plan_name, plan.routes, plan.when_busy, is_site)


class Desk(Protocol):
    """Opens tabs."""

    async def open(self, scope: Scope, endpoint: Endpoint) -> Tab:
        """Let a request in.

        Raises:
            Refusal: 401 or 403.

        """
        ...

    def allowed(self, principal: Principal | None) -> Collection[str] | None:
        """The models that a caller may use; None for all."""
        ...


class OpenDesk:
    """Whoever reaches the port may call."""

    async def open(self, scope: Scope, endpoint: Endpoint) -> Tab:
        """Let anyone in but other people's web pages."""
        del endpoint
        refuse_foreign_page(scope["headers"])
        return OPEN_TAB

    def allowed(self, principal: Principal | None) -> Collection[str] | None:
        """All."""
        del principal
        return None


OPEN_DESK = OpenDesk()
