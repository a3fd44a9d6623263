"""Another site's gateway as a target, and the watch over it: one question a second, which every gateway worker asks.

A site that leaves :data:`SILENCES` questions in a row without an answer is gone: no later than :data:`GONE_S` after its
last sign of life nothing more is sent there, and requests that still wait for a first byte are taken back, so that
somebody else answers them. One that answers says of each model whether it is able and free, by its own measures.

Every request says where it comes from (:mod:`router.decide.hops`), that it must not leave that site in turn, and that
its answer is not to be kept there, where all callers of this site are one tenant.
Neighbour: :mod:`router.backends.target`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

from pydantic import TypeAdapter, ValidationError

from cluster.errors import StartError
from cluster.spec import Fleet, Gateway, Model, Site
from router.backends.errors import CutError, UpstreamError
from router.backends.http1 import Connection
from router.backends.origin import Origin
from router.backends.target import Target
from router.decide.facts import Load
from router.decide.hops import HEADER
from router.decide.offers import Offer, Offers
from router.wire.parse import Request

ASK_S = 1.0
"""Between questions, and how long an answer may take."""
SILENCES = 2
GONE_S = (1 + SILENCES) * ASK_S
"""From a site's last sign of life until it counts as gone, at most."""
_OK = 200
_LONGEST = 1 << 20
_OFFERS = TypeAdapter(Offers)
_log = logging.getLogger(__name__)


class SiteWatch:
    """One site, seen from here."""

    def __init__(self, name: str, site: Site, fleet: Fleet) -> None:
        """Nothing is known yet, so others are preferred.

        Raises:
            StartError: its key is missing.

        """
        self.name = name
        key = os.environ.get(site.api_key_env, "").strip() if site.api_key_env else ""
        if site.api_key_env and not key:
            msg = f"site {name!r}: the environment variable {site.api_key_env} holds no key; set it, or remove the site"
            raise StartError(msg)
        self.headers = f"{HEADER.decode()}: {fleet.here}\r\nx-freehold-cache: off\r\nx-freehold-egress: never\r\n"
        self._origin = Origin(site.url, ASK_S, key)
        self._targets: list[SiteTarget] = []
        self._offers: dict[str, Offer] = {}
        self._silences = 0
        self._waits: set[asyncio.Timeout] = set()
        self._said = ""

    def join(self, target: SiteTarget) -> None:
        """Tell of a target of this site."""
        self._targets.append(target)

    def offer(self, model: str) -> Offer | None:
        """What the site said last of a model; None while it is gone, or has none by that name."""
        return self._offers.get(model)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.look()
            await asyncio.sleep(max(0.0, began + ASK_S - loop.time()))

    async def look(self) -> None:
        """Ask once, and draw the conclusions."""
        try:
            async with asyncio.timeout(ASK_S):
                found = await self._asked()
        except (UpstreamError, TimeoutError) as exc:
            self._silent(str(exc) or "no answer in time")
            return
        self._silences = 0
        before, self._offers = self._offers, found
        for target in self._targets:
            if target.served_as in found and target.served_as not in before:
                target.breaker.succeeded()

    async def _asked(self) -> dict[str, Offer]:
        connection = await self._origin.connection()
        try:
            connection.send(self._origin.head(b"GET", b"/v1/site", 0), b"")
            connection.expect("first_token", ASK_S)
            await connection.head()
            answer = await connection.read_all(_LONGEST)
            return self._understood(connection.status, answer)
        finally:
            self._origin.release(connection)

    def _understood(self, status: int, answer: bytes) -> dict[str, Offer]:
        """What it offers; nothing where it is not the site that it should be."""
        try:
            found = _OFFERS.validate_json(answer) if status == _OK else None
        except ValidationError:
            found = None
        if found is None:
            self._say(f"GET /v1/site says {status} and no offers; its key must be made there with --endpoint site")
            return {}
        if found["site"] != self.name:
            self._say(f"it calls itself {found['site']!r}; name it so in sites, or correct its url")
            return {}
        self._say("")
        return found["models"]

    def _silent(self, why: str) -> None:
        self._silences += 1
        if self._silences < SILENCES:
            return
        self._say(f"gone: {why}")
        self._offers = {}
        for target in self._targets:
            target.breaker.rest(GONE_S)
        for wait in self._waits:
            wait.reschedule(0)
        self._waits.clear()

    def _say(self, what: str) -> None:
        """Log a change."""
        if what != self._said:
            _log.log(logging.WARNING if what else logging.INFO, "site %s: %s", self.name, what or "is well again")
            self._said = what

    @asynccontextmanager
    async def patience(self) -> AsyncIterator[None]:
        """As long as the site lives; raises TimeoutError in whoever waits in here when it is gone."""
        async with asyncio.timeout(None) as wait:
            self._waits.add(wait)
            try:
                yield
            finally:
                self._waits.discard(wait)

    def close(self) -> None:
        """Close what is kept open."""
        self._origin.close()


class SiteTarget(Target):
    """A model at another site."""

    def __init__(self, name: str, model: Model, watch: SiteWatch, gateway: Gateway) -> None:
        """``watch`` is the site's."""
        super().__init__(name, model, model.url, gateway, watch.headers)
        self.watch = watch
        watch.join(self)

    def load(self) -> Load:
        """As the site tells it, and as it was measured from here."""
        now, offer = super().load(), self.watch.offer(self.served_as)
        if offer is None:
            return now._replace(available=False)
        available = now.available and offer["available"]
        return now._replace(available=available, busy=not offer["free"], ttft_s=max(now.ttft_s, offer["ttft_s"]))

    async def _exchange(self, head: bytes, body: bytes, *, streams: bool) -> tuple[Connection, bytes]:
        try:
            async with self.watch.patience():
                return await super()._exchange(head, body, streams=streams)
        except TimeoutError:
            msg = f"the site {self.watch.name} is gone"
            raise CutError(msg) from None

    async def count_tokens(self, part: Request) -> int | None:
        """Only engines count; the site does so itself, where it has to."""
        del part
        return None

    async def answers(self) -> bool:
        """Whether the site said lately that it would."""
        return self.load().available

    async def close(self) -> None:
        """Close what is kept open."""
        await super().close()
        self.watch.close()
