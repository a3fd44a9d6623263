"""What accounts tell the gateway, and what the gateway tells them. Money is in whole millionths of a US dollar."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from cluster.spec import Plan

MICROS = 1_000_000
"""Millionths in one US dollar; a price per million tokens is a price in millionths per token."""


SITE = "site"
"""In a key's scope: it is another site's, for all that generates, and ``/v1/site``."""


class Scope(NamedTuple):
    """What a key may be used for; empty tuples allow everything that the tenant's plan does."""

    models: tuple[str, ...] = ()
    tiers: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    """Kinds of :class:`router.wire.endpoints.Kind`, ``usage``, or :data:`SITE`."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where a client may call from."""
    admin: bool = False
    """Whether the admin API may be used."""
    expires_at: datetime | None = None


class Principal(NamedTuple):
    """Who calls."""

    tenant: str
    key_id: str
    scope: Scope
    plan: Plan
    """The tenant's plan with its overrides applied."""
    plan_name: str = ""


class Attempt(NamedTuple):
    """One row of the ledger: one attempt of one request at one target. Never the prompt, never the answer."""

    request_id: str
    attempt: int
    """1, 2, … within the request; with ``request_id`` the identity that makes a charge happen once."""
    at: datetime
    """When the request came in, UTC."""
    tenant: str
    key_id: str
    endpoint: str
    model: str
    tier: str
    reason: str
    status: int
    outcome: str
    """As in :class:`router.observe.events.Finished`, or of an attempt that another one followed: ``retried``, where
    it failed, ``escalated``, where the cascade gave it up."""
    stream: bool
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    gpu_ms: int
    """Estimated GPU time: the duration times GPUs per replica, divided by the requests that shared them."""
    cost_micros: int
    """What a paid target charges for it; 0 for our own GPUs."""
    baseline_micros: int
    """What it would have cost on Claude, by the price in the fleet file; 0 where none is set."""
    queued_ms: int
    ttft_ms: int
    total_ms: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """A body that is about to leave the site; told, and on record, before its first byte does."""

    request_id: str
    """The caller's request that it belongs to."""
    tenant: str
    model: str
    host: str
    """Where it goes."""
    reason: str
    """Why: that of the decision, or of the quality loop."""
    bytes: int
    """Of the body, as it is sent."""


class Used(NamedTuple):
    """What one attempt used up of a tenant's quota; settled together with the attempt's ledger row."""

    kind: str
    window_start: datetime
    amount: int
    """Goes to what is used in the window."""
    leased: int
    """Leaves the gateway's lease. Less than ``amount`` where an answer used more than was held for it."""


class Left(NamedTuple):
    """Of one of the fleet's budgets."""

    usd: float
    """What it is."""
    share: float
    """Neither spent nor reserved; 0 of a budget of nothing."""


class Backlog(NamedTuple):
    """Ledger rows that the database does not have yet."""

    lag_s: float
    """Since when, of the oldest; 0 while none waits."""
    spool_bytes: int
    """On this machine's disk."""
