"""How callers learn of their limits: OpenAI's ``x-ratelimit-*`` headers, and the refusals when one is reached."""

from __future__ import annotations

import math

from router.accounts.allowance import Allowance, Lease
from router.accounts.kinds import duration
from router.wire.errors import Refusal

_OF_REQUESTS = (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests")
_OF_TOKENS = (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens")
_SECONDS = [duration(seconds).encode() for seconds in range(61)]
_SOON_S = 1
"""When to come back for units that answers under way are holding."""


def headers(allowance: Allowance, now: float) -> list[tuple[bytes, bytes]]:
    """``x-ratelimit-{limit,remaining,reset}-{requests,tokens}``: of the minute, or of the month where no minute counts.

    What remains is what this gateway knows: what others used since it last asked is missing.
    """
    requests: Lease | None = None
    tokens: Lease | None = None
    for held in allowance.leases:
        if held.of_tokens:
            tokens = held if held.brief or tokens is None else tokens
        elif held.brief or requests is None:
            requests = held
    told: list[tuple[bytes, bytes]] = []
    for lease, (limit, remaining, reset) in ((requests, _OF_REQUESTS), (tokens, _OF_TOKENS)):
        if lease is not None:
            left = max(0, lease.room + lease.free)
            told += ((limit, b"%d" % lease.limit), (remaining, b"%d" % left), (reset, _reset(lease.ends - now)))
    return told


def _reset(seconds: float) -> bytes:
    """Until a window ends; most are of a minute."""
    whole = -int(-seconds // 1) if seconds > 0 else 0
    return _SECONDS[whole] if whole < len(_SECONDS) else duration(whole).encode()


def over_limit(lease: Lease, need: int, now: float) -> Refusal:
    """The 429 of a limit; it says when to come back, unless no time would help."""
    what, per = lease.kind.basis, lease.kind.unit
    code = "rate_limit_exceeded" if lease.kind.brief else "insufficient_quota"
    limit = f"{lease.limit} {what} per {per} ({lease.kind.field})"
    if need > lease.limit:
        msg = f"This request may use {need} {what}; your plan has {limit}."
        return Refusal(429, msg, param=lease.kind.field, code=code)
    if need > lease.limit - lease.used:
        seconds = max(1, math.ceil(lease.ends - now))
        msg = f"The limit of your plan is reached: {limit}. Try again in {duration(seconds)}."
        return Refusal(429, msg, param=lease.kind.field, code=code, retry_after=seconds)
    msg = f"Requests under way hold what is left of your plan's {limit}. Try again in {_SOON_S}s."
    return Refusal(429, msg, param=lease.kind.field, code="rate_limit_exceeded", retry_after=_SOON_S)


def too_many_at_once(limit: float) -> Refusal:
    """The 429 of ``concurrent_requests``."""
    msg = f"Your plan allows {limit:g} requests under way at once (concurrent_requests)."
    return Refusal(429, msg, param="concurrent_requests", code="rate_limit_exceeded", retry_after=_SOON_S)


def accounts_away() -> Refusal:
    """The 503 when only the database could tell whether a request is within its limits."""
    msg = "The accounts database cannot be reached, and this request needs it; nothing was charged."
    return Refusal(503, msg, code="accounts_unavailable", retry_after=_SOON_S)


def over_budget(kind: str, *, of_fleet: bool) -> Refusal:
    """The 402 of money that is spent, or set aside for requests under way."""
    whose = "the fleet's budget for paid models (tenants.budget" if of_fleet else "your plan's budget for paid models ("
    field = f"usd_per_{kind}"
    msg = f"Not enough is left in {whose}{'.' if of_fleet else ''}{field}) for this request's worst case."
    return Refusal(402, msg, param=field, code="insufficient_quota")


def unknown_tenant() -> Refusal:
    """The 401 of a tenant that was deleted a moment ago."""
    return Refusal(401, "The tenant of this key no longer exists.", code="invalid_api_key")
