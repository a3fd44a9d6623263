"""Who may call, and how much: plans, the fleet's own budget, and what happens while the database is away.

Tenants and their keys live in the database (``freehold tenants``, ``freehold keys``); a tenant has one of the plans
below, and may have fields of it overridden.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cluster.spec.base import Name, Noun
from cluster.spec.routing import WhenBusy

Limit = Annotated[int, Field(ge=0, le=10**15)] | None
"""A count; null for unlimited."""
Usd = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Plan(Noun):
    """What a tenant with this plan may use."""

    requests_per_minute: Limit = None
    """Requests admitted in one minute of the clock."""
    tokens_per_minute: Limit = None
    """Prompt and answer tokens in one minute of the clock."""
    concurrent_requests: Limit = None
    """Requests under way at once at one gateway worker."""
    messages_per_month: Limit = None
    """Answered requests in one calendar month, UTC."""
    tokens_per_month: Limit = None
    """Prompt and answer tokens in one calendar month, UTC."""
    tiers: tuple[Literal["small", "large", "embedding"], ...] = ("small", "large", "embedding")
    """Tiers that ``auto`` may choose from and that may be named."""
    priority: Annotated[int, Field(ge=0, le=9)] = 0
    """Who goes first when requests wait for an engine; higher first, and no one starves."""
    routes: tuple[Name, ...] | None = None
    """Named routes that may be used; null for all."""
    when_busy: tuple[WhenBusy, ...] | None = None
    """What is tried while the tier that should answer is saturated; null for ``routing.when_busy``."""
    egress: bool = False
    """Whether requests may be sent to somebody else's targets, those with a price or ``egress: outside``."""
    regions: tuple[str, ...] | None = None
    """Regions of other ``sites`` that may answer, too; null for all, ``[]`` for none."""
    usd_per_day: Usd = 0
    """Money for paid targets on one day, UTC."""
    usd_per_month: Usd = 0
    """Money for paid targets in one calendar month, UTC."""
    keep_samples: bool = False
    """Whether what was said in sampled requests may be kept for ``quality.keep_days``, encrypted, to train the router.
    Without it only the outcome of a comparison is kept."""


class Budget(Noun):
    """Money that the whole fleet may spend on paid targets."""

    usd_per_day: Usd = 0
    """On one day, UTC."""
    usd_per_month: Usd = 0
    """In one calendar month, UTC."""


class ResponseCache(Noun):
    """Answers kept to be given again, to the same tenant, for exactly the same deterministic request."""

    ttl_seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 3600
    """How long an answer may be given again; 0 turns the cache off."""
    memory_bytes: Annotated[int, Field(ge=0, le=1 << 40)] = 64 << 20
    """Kept in each gateway worker."""
    table_bytes: Annotated[int, Field(ge=0, le=1 << 50)] = 1 << 30
    """Kept in the database, for all gateways."""
    answer_bytes: Annotated[int, Field(ge=0, le=1 << 30)] = 1 << 20
    """Longer answers are not kept."""


class Tenants(Noun):
    """Accounts: who may call, with which plan."""

    access: Literal["open", "keys"] = "open"
    """``open``: whoever reaches the port may call, and nothing is counted against anyone; only allowed while
    ``gateway.host`` is a loopback address. ``keys``: every request needs a key, and every answer is in the ledger."""
    plans: dict[Name, Plan] = Field(default={"unlimited": Plan()})
    """By the name that ``freehold tenants create --plan`` takes."""
    default_plan: Name = "unlimited"
    """The plan of a tenant that is created without one."""
    budget: Budget = Budget()
    cache: ResponseCache = ResponseCache()
    known_keys_seconds: Annotated[int, Field(ge=0, le=86_400)] = 300
    """While the database is away, keys that a gateway has seen are good for so long; paid targets close at once."""
    ledger_months: Annotated[int, Field(ge=1, le=1200)] = 24
    """Months that ledger rows are kept; the daily totals stay."""
    in_metrics: Annotated[int, Field(ge=0, le=10_000)] = 0
    """So many tenants, those that come first, get counters of their own in ``/metrics``, where whoever may read them
    sees their names; all others are counted together as ``other``. 0 for none."""
