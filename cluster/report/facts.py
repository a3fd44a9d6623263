"""What ``GET /admin/report`` tells of a month, as frozen facts; fields that a newer gateway adds are left alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, ConfigDict

CACHED = "cached"
"""The reason of an answer that was given again from the cache, whatever model it came from."""
COMPLETE = "complete"
JUDGED = "judged"
"""The source of a verdict that a comparison made, and not a caller."""
NOT_LAST = frozenset({"retried", "escalated"})
"""Outcomes of attempts that another attempt of the same request followed."""


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True)


class Used(_Fact):
    """What was used on one day, of one model, for one reason, with one outcome."""

    day: date
    model: str
    tier: str
    reason: str
    outcome: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    gpu_ms: int
    cost_micros: int
    baseline_micros: int

    @property
    def tokens(self) -> int:
        """Of prompts and answers."""
        return self.prompt_tokens + self.completion_tokens


class TenantUse(_Fact):
    """What one tenant used of one model, for one reason, with one outcome."""

    tenant: str
    model: str
    reason: str
    outcome: str
    requests: int
    tokens: int
    cost_micros: int
    baseline_micros: int


class Left(_Fact):
    """What left the site for one model at one host, for one reason."""

    model: str
    host: str
    reason: str
    requests: int
    bodies: int
    bytes: int


class Held(_Fact):
    """How a promise was held on one day, all models together."""

    day: date
    promise: str
    bound_s: float | None
    wanted: float
    asked: int
    held: int


class Hour(_Fact):
    """The load of one tier in one hour; the sums of logarithms tell how much lengths scatter."""

    begins: int
    """Unix time."""
    tier: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    prompt_ln: float
    prompt_ln2: float
    completion_ln: float
    completion_ln2: float


class Ran(_Fact):
    """For how long replicas of a model ran on one kind of GPU, in milliseconds."""

    model: str
    gpu: str
    gpus: int
    """Of each replica."""
    most: int
    ms: int
    """Of the clock, that somebody knew how many ran."""
    replica_ms: int
    most_ms: int
    """What it would have been with ``replicas.max`` all the time."""


class Share(_Fact):
    """A share with its 95 % interval; None where there is too little to say."""

    value: float
    low: float | None
    high: float | None


class Judged(_Fact):
    """How good answers of one tier were against one reference."""

    heading: str
    reference: str
    source: str
    labels: int
    win_rate: Share
    quality_share: Share
    cost_micros: int


class Month(_Fact):
    """All of it."""

    month: str
    since: datetime
    until: datetime
    """The month's end, or when it was asked."""
    whole: bool
    """Whether the month is over."""
    outside: frozenset[str]
    """Models whose prompts leave the site."""
    left_requests: int
    """Requests of which any body left."""
    recorded_since: float | None
    """Unix time from which on replicas are recorded in this month."""
    first_month: str | None
    last_month: str | None
    usage: tuple[Used, ...]
    tenants: tuple[TenantUse, ...]
    egress: tuple[Left, ...]
    promises: tuple[Held, ...]
    traffic: tuple[Hour, ...]
    replicas: tuple[Ran, ...]
    quality: tuple[Judged, ...]

    @property
    def begun(self) -> datetime:
        """The first hour with any load, or where replicas are recorded from within that hour on, then."""
        if not self.traffic:
            return self.until
        first = min(hour.begins for hour in self.traffic)
        exact = self.recorded_since or first
        return datetime.fromtimestamp(exact if first <= exact < first + 3600 else first, UTC)

    @property
    def span(self) -> timedelta:
        """Of the month, as far as it has gone."""
        return self.until - self.since

    @property
    def active(self) -> timedelta:
        """Since it begun; what came before nobody asked of this fleet."""
        return self.until - self.begun

    @property
    def days(self) -> list[date]:
        """Each day of the month so far."""
        last = (self.until - timedelta(microseconds=1)).date()
        return [self.since.date() + timedelta(days=number) for number in range((last - self.since.date()).days + 1)]
