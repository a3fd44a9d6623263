"""Who may come in: a request's headers and its socket's address → a principal, or a refusal that says why.

Deny by default: a path that is not listed here needs a key. The client is whoever holds the other end of the socket;
``X-Forwarded-*`` and its kin give nobody anything. Neighbours: :mod:`router.guard` asks for everything that does not
generate, :mod:`router.gateway` for what does; which models a principal may use is :func:`permits`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from enum import Enum, StrEnum

from starlette.types import Scope

from cluster.spec import SPILLOVER
from cluster.spec.routing import Tiers
from router.accounts.attempts import WrongKeys, address_of
from router.accounts.errors import StoreUnavailableError
from router.accounts.facts import SITE, Principal
from router.accounts.keys import Keys, Known
from router.accounts.pepper import Pepper
from router.accounts.plans import CLOSED
from router.accounts.secret import LENGTH, id_of
from router.accounts.store import Store
from router.wire.errors import Refusal

Headers = Iterable[tuple[bytes, bytes]]

USAGE = "usage"
"""The endpoint ``/v1/usage``, as a key's scope names it, beside :class:`router.wire.endpoints.Kind`."""
_OF_PATH = {"/v1/usage": USAGE, "/v1/site": SITE}
ANY_KEY = ""
"""What every key may do: list models, ask how a request would be routed."""
RETRY_S = 5
"""When to ask again while the database is away."""
_UNAUTHORIZED = 401
_CHUNKED = b"transfer-encoding"
_TIERS = Tiers.model_fields
_FORWARDED = frozenset((b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"))


class Access(StrEnum):
    """What it takes to come in."""

    OPEN = "open"
    METRICS = "metrics"
    """An admin key, or a client on this machine."""
    KEY = "key"
    ADMIN = "admin"


_ACCESS = {
    "/": Access.OPEN,  # the page without its figures, and below /page/ what it loads
    "/healthz": Access.OPEN,
    "/readyz": Access.OPEN,
    "/docs": Access.OPEN,
    "/openapi.json": Access.OPEN,
    "/metrics": Access.METRICS,
}


def access_of(path: str) -> Access:
    """What a path takes; the path is matched as the routes match it, as a whole and by case."""
    if path == "/admin" or path.startswith("/admin/"):
        return Access.ADMIN
    if path.startswith("/page/"):
        return Access.OPEN
    return _ACCESS.get(path, Access.KEY)


class Why(Enum):
    """Status and message of a refusal; its name is the error's code. None of them repeats any part of a key."""

    MISSING_API_KEY = (401, "No API key: send it as Authorization: Bearer KEY, or as x-api-key.")
    INVALID_API_KEY = (401, "Incorrect API key. A key begins with fh- and is shown once, when it is made.")
    KEY_REVOKED = (401, "This API key was revoked.")
    KEY_EXPIRED = (401, "This API key has expired.")
    ADDRESS_NOT_ALLOWED = (403, "This API key may not be used from this address.")
    ENDPOINT_NOT_ALLOWED = (403, "This API key may be used for: {allowed}.")
    ADMIN_KEY_REQUIRED = (403, "This needs an admin key.")
    UNKNOWN_PLAN = (403, "The fleet file no longer has the plan of this tenant; an admin must give it another one.")
    TOO_MANY_WRONG_KEYS = (429, "Too many wrong API keys from this address; good keys are still taken.")
    ACCOUNTS_UNAVAILABLE = (503, "The key cannot be checked now, because the database is away.")


class NotLetIn(Refusal):
    """The request stays outside."""

    def __init__(self, why: Why, scope: Scope, retry_after: int | None = None, **words: str) -> None:
        """Ends the connection where a body is on its way that nobody will read."""
        status, message = why.value
        body = any((name == b"content-length" and size != b"0") or name == _CHUNKED for name, size in scope["headers"])
        super().__init__(status, message.format(**words), code=why.name.lower(), retry_after=retry_after, close=body)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """With the challenge that HTTP asks for beside a 401."""
        challenge = [(b"www-authenticate", b"Bearer")] if self.status == _UNAUTHORIZED else []
        return [*super().headers, *challenge]


class Doorkeeper:
    """Judges requests; a known key costs some microseconds and no I/O."""

    def __init__(self, keys: Keys, pepper: Pepper, store: Store) -> None:
        """``store`` gives the time by which keys expire."""
        self._keys, self._pepper, self._store = keys, pepper, store
        self._wrong = WrongKeys()

    async def admit(self, scope: Scope, endpoint: str) -> Principal:
        """Whose key it is, if it may be used for ``endpoint`` (a Kind, ``USAGE`` or ``ANY_KEY``).

        Raises:
            Refusal: 401 without a good key, 403 where the key is good for other things, 429 after many wrong keys,
                503 for a key that cannot be checked because the database is away.

        """
        known = await self._known(scope)
        _check_endpoint(known.principal, endpoint, scope)
        return known.principal

    async def judge(self, scope: Scope) -> Principal | None:
        """The same for everything that does not generate, by its path; None where no key is needed."""
        access = access_of(scope["path"])
        if access is Access.OPEN or (access is Access.METRICS and _is_local(scope)):
            return None
        if access is Access.KEY:
            return await self.admit(scope, _OF_PATH.get(scope["path"], ANY_KEY))
        principal = (await self._known(scope)).principal
        if not principal.scope.admin:
            raise NotLetIn(Why.ADMIN_KEY_REQUIRED, scope)
        return principal

    async def _known(self, scope: Scope) -> Known:
        key = presented(scope["headers"])
        if key is None:
            raise NotLetIn(Why.MISSING_API_KEY, scope)
        if len(key) != LENGTH:  # not worth a digest, which for a header of 64 KiB would take a while
            raise self._wrong_key(scope)
        try:
            known = self._keys.identify(key) or await self._looked_up(key)
        except StoreUnavailableError as exc:
            raise NotLetIn(Why.ACCOUNTS_UNAVAILABLE, scope, RETRY_S) from exc
        if known is None:
            raise self._wrong_key(scope)
        self._check_key(known, scope)
        return known

    async def _looked_up(self, key: bytes) -> Known | None:
        key_id = id_of(key, self._pepper)
        return None if key_id is None else await self._keys.look_up(key, key_id)

    def _wrong_key(self, scope: Scope) -> Refusal:
        wait = self._wrong.add(_host(scope), time.monotonic())
        if wait:
            return NotLetIn(Why.TOO_MANY_WRONG_KEYS, scope, math.ceil(wait))
        return NotLetIn(Why.INVALID_API_KEY, scope)

    def _check_key(self, known: Known, scope: Scope) -> None:
        limits = known.principal.scope
        if known.revoked:
            raise NotLetIn(Why.KEY_REVOKED, scope)
        if limits.expires_at is not None and self._store.now() >= limits.expires_at:
            raise NotLetIn(Why.KEY_EXPIRED, scope)
        if limits.networks:
            address = address_of(_host(scope))
            if address is None or not any(address in network for network in limits.networks):
                raise NotLetIn(Why.ADDRESS_NOT_ALLOWED, scope)


def presented(headers: Headers) -> bytes | None:
    """The key that a request brings: ``Authorization: Bearer``, else ``x-api-key``."""
    other = None
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip()
        if name == b"x-api-key" and other is None:
            other = value
    return other


def permits(principal: Principal, model: str, tier: str) -> bool:
    """Whether the plan and the key let a principal use a model; ``tier`` is empty for a model that no tier lists.

    Whether a request may leave the site for a paid model is the plan's ``egress``, apart from this.
    """
    scope, tiers = principal.scope, principal.plan.tiers
    if scope.models and model not in scope.models:
        return False
    if tier == SPILLOVER:
        return principal.plan.egress and not scope.tiers
    if not tier:
        return len(tiers) == len(_TIERS) and not scope.tiers
    return tier in tiers and (not scope.tiers or tier in scope.tiers)


def _check_endpoint(principal: Principal, endpoint: str, scope: Scope) -> None:
    allowed = principal.scope.endpoints
    is_site = SITE in allowed
    may = is_site if endpoint == SITE else not allowed or endpoint in allowed or (is_site and endpoint != USAGE)
    if endpoint and not may:
        raise NotLetIn(Why.ENDPOINT_NOT_ALLOWED, scope, allowed=", ".join(allowed) or "all but what other sites ask")
    if principal.plan is CLOSED:
        raise NotLetIn(Why.UNKNOWN_PLAN, scope)


def _host(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _is_local(scope: Scope) -> bool:
    """A client on this machine, unless a proxy on this machine says that it speaks for another."""
    address = address_of(_host(scope))
    return address is not None and address.is_loopback and not any(name in _FORWARDED for name, _ in scope["headers"])
