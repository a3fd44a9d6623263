"""A request crosses one border between sites at most: who came from another site is answered here, or not at all. Pure.

A gateway names its site in ``x-freehold-hops`` when it asks another one. The header only ever takes away: it rules out
models at other sites, so whoever forges it has fewer to be answered by, and nobody has more. It is refused from a key
that is not for sites, rather than passed over: passed over, two sites whose keys were made wrongly would ask each other
for ever. Neighbour: :mod:`router.backends.site` sends it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from cluster.spec import Fleet
from cluster.spec.base import NAME_PATTERN
from router.wire.errors import Refusal

HEADER = b"x-freehold-hops"
REQUEST_ID = b"x-request-id"
_SITES = re.compile(NAME_PATTERN[1:-1])
_ID = re.compile(rb"req_[0-9a-f]{24}")
_MOST = 8
_LOOP = 508
"""RFC 5842, Loop Detected."""

Headers = Iterable[tuple[bytes, bytes]]


class Came(NamedTuple):
    """Where a request came from."""

    sites: tuple[str, ...]
    """That it came through, the first one first; empty for a caller's own."""
    request_id: str = ""
    """What it is called at the site that asks."""


class Hops:
    """Of one site."""

    def __init__(self, fleet: Fleet) -> None:
        """``fleet`` as it was spread."""
        self._here = fleet.here
        self.away = frozenset(name for name, model in fleet.models.items() if model.site)
        self._near = frozenset(fleet.models) - self.away

    def came(self, headers: Headers, *, from_site: bool) -> Came:
        """Where a request came from; ``from_site``: its key is for sites, or there are no keys.

        Raises:
            Refusal: 403 for a header from whom it is not believed, 400 for what is none, 508 for a request that has
                been here before.

        """
        given = b",".join(value for name, value in headers if name == HEADER)
        if not given:
            return Came(())
        sites = tuple(part.strip() for part in given.decode("latin-1").split(","))
        if not from_site:
            msg = "x-freehold-hops: only other sites send it, with a key made with --endpoint site."
            raise Refusal(403, msg, param="x-freehold-hops", code="hops_not_allowed")
        if len(sites) > _MOST or not all(map(_SITES.fullmatch, sites)):
            msg = f"x-freehold-hops: up to {_MOST} names of sites, with commas between them."
            raise Refusal(400, msg, param="x-freehold-hops", code="invalid_value")
        if self._here in sites:
            msg = f"The request has been at {self._here} before: a url in sites leads back here."
            raise Refusal(_LOOP, msg, code="loop_detected")
        theirs = next((value for name, value in headers if name == REQUEST_ID and _ID.fullmatch(value)), b"")
        return Came(sites, theirs.decode())

    def allowed(self, allowed: Collection[str] | None, came: Came, model: str) -> Collection[str] | None:
        """The models that may answer, of those ``allowed``: all, or for who came from another site, those here.

        Raises:
            Refusal: 508 where another site's model is what was asked for.

        """
        if not (came.sites and self.away):
            return allowed
        if model in self.away:
            msg = f"{model} is at another site, and a request from {came.sites[-1]} is not sent on."
            raise Refusal(_LOOP, msg, param="model", code="loop_detected")
        return self._near if allowed is None else self._near.intersection(allowed)
