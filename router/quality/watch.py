"""A desk that looks over another one's shoulder: of a sampled request it sees what was asked and what was answered.

Nothing of the request changes: every call goes on to the tab that is watched, and what was seen is handed over once
that one is settled. Only whole answers of models on the site are handed over.
Neighbour: :mod:`router.quality.loop` takes what was seen.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection
from typing import NamedTuple

from starlette.types import Scope

from router.accounts.facts import Leaving, Principal
from router.accounts.kept import Answer
from router.decide.egress import Egress
from router.decide.facts import Ask, Reason
from router.desk import Desk, Headers, Tab
from router.observe.events import Finished
from router.wire.endpoints import Endpoint, Kind
from router.wire.parse import Request

MOST_BYTES = 1 << 20
"""Of an answer; a longer one is not looked at."""


class Seen(NamedTuple):
    """One request and its answer."""

    request_id: str
    tenant: str
    ask: Ask
    request: Request
    answer: bytes
    """As the caller had it: JSON, or a stream's events."""
    stream: bool
    model: str
    tier: str
    reason: str
    propensity: float
    """How likely it was to be sampled."""
    elsewhere: Collection[str]
    """The models away from the site that may see any of it."""
    keeps: bool
    """Whether what was said may be kept."""


Take = Callable[[Seen], None]


class Watched:
    """Watches a share of the requests to chat."""

    def __init__(
        self, desk: Desk, egress: Egress, share: float, take: Take, draw: Callable[[], float] | None = None
    ) -> None:
        """``draw`` gives a number from 0 up to 1, evenly."""
        self.desk = desk
        self._egress, self._share, self._take = egress, share, take
        self._draw = draw or secrets.SystemRandom().random

    async def open(self, scope: Scope, endpoint: Endpoint) -> Tab:
        """Let a request in, as the desk behind does; Refusal as there."""
        tab = await self.desk.open(scope, endpoint)
        if endpoint.kind is not Kind.CHAT or self._draw() >= self._share:
            return tab
        return WatchedTab(tab, scope["headers"], self._egress, self._share, self._take)

    def allowed(self, principal: Principal | None) -> Collection[str] | None:
        """As the desk behind says."""
        return self.desk.allowed(principal)


class WatchedTab(Tab):
    """One request's account, watched."""

    def __init__(self, tab: Tab, headers: Headers, egress: Egress, propensity: float, take: Take) -> None:
        """``headers`` are the request's."""
        for name in Tab.__annotations__:
            setattr(self, name, getattr(tab, name))
        self._tab, self._headers, self._egress = tab, headers, egress
        self._propensity, self._take = propensity, take
        self._ask: Ask | None = None
        self._request: Request | None = None
        self._pieces: list[bytes] = []
        self._room = MOST_BYTES

    async def hold(self, ask: Ask) -> Headers:
        """See what it needs."""
        self._ask = ask
        return await self._tab.hold(ask)

    async def cached(self, endpoint: Endpoint, request: Request, model: str) -> Answer | None:
        """See what was asked."""
        self._request = request
        return await self._tab.cached(endpoint, request, model)

    def passed(self, data: bytes) -> None:
        """See what is answered."""
        self._room -= len(data)
        if self._room >= 0:
            self._pieces.append(data)
        self._tab.passed(data)

    async def pay(self, event: Finished, model: str) -> None:
        """Go on."""
        await self._tab.pay(event, model)

    async def leaves(self, leaving: Leaving) -> None:
        """Go on."""
        await self._tab.leaves(leaving)

    def failed(self, event: Finished, model: str, *, retried: bool) -> None:
        """Go on."""
        self._tab.failed(event, model, retried=retried)

    def escalated(self, event: Finished, model: str) -> None:
        """Go on."""
        self._tab.escalated(event, model)

    async def settle(self, event: Finished) -> None:
        """Once it is settled, hand over what was seen, if it is whole and from the site."""
        await self._tab.settle(event)
        take, self._take = self._take, _nothing
        if self._ask is None or self._request is None or not self._pieces or self._room < 0:
            return
        local = event.model not in self._egress.outside and event.reason != Reason.CACHED
        if event.outcome == "complete" and local:
            take(self._seen(event, self._ask, self._request))

    def _seen(self, event: Finished, ask: Ask, request: Request) -> Seen:
        allowed = self._egress.allowed(self.terms.allowed, self._headers, "")
        elsewhere = self._egress.elsewhere if allowed is None else self._egress.elsewhere.intersection(allowed)
        return Seen(
            event.request_id,
            self.tenant,
            ask,
            request,
            b"".join(self._pieces),
            event.stream,
            event.model,
            event.tier,
            event.reason,
            self._propensity,
            elsewhere,
            self.keeps_samples,
        )


def _nothing(seen: Seen) -> None:
    """It was handed over already."""
