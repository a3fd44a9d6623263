"""The tables, as Alembic's migrations make them; a test keeps the two equal.

Counters are kept per window (a minute, a month) so that a reset is the next window's row, never an update by the clock
of some gateway: the database's clock names the window.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import CIDR, JSONB

metadata = MetaData()

_now = func.now()


def _when(name: str, *, empty: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=empty, server_default=None if empty else _now)


tenants = Table(
    "tenants",
    metadata,
    Column("name", Text, primary_key=True),
    Column("plan", Text, nullable=False),
    Column("overrides", JSONB, nullable=False, server_default="{}"),
    _when("created_at"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, ForeignKey("tenants.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", LargeBinary, nullable=False, comment="HMAC-SHA-256 of the whole key under the pepper"),
    Column("pepper", LargeBinary, nullable=False, comment="Fingerprint of that pepper, so that a wrong one is noticed"),
    Column("label", Text, nullable=False, server_default=""),
    Column("admin", Boolean, nullable=False, server_default="false"),
    Column("models", ARRAY(Text), nullable=False, server_default="{}"),
    Column("tiers", ARRAY(Text), nullable=False, server_default="{}"),
    Column("endpoints", ARRAY(Text), nullable=False, server_default="{}"),
    Column("networks", ARRAY(CIDR), nullable=False, server_default="{}"),
    _when("created_at"),
    _when("expires_at", empty=True),
    _when("revoked_at", empty=True),
)

gateways = Table(
    "gateways",
    metadata,
    Column("id", Text, primary_key=True, comment="One worker process; new at every start"),
    _when("started_at"),
    _when("seen_at"),
)

quota_windows = Table(
    "quota_windows",
    metadata,
    Column("tenant", Text, ForeignKey("tenants.name", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True, comment="messages_per_month, tokens_per_minute, …"),
    Column("window_start", DateTime(timezone=True), primary_key=True),
    Column("used", BigInteger, nullable=False, server_default="0"),
    Column("leased", BigInteger, nullable=False, server_default="0", comment="Sum of the leases on it"),
    CheckConstraint("used >= 0 AND leased >= 0", name="quota_not_negative"),
)

quota_leases = Table(
    "quota_leases",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("window_start", DateTime(timezone=True), primary_key=True),
    Column("gateway", Text, ForeignKey("gateways.id"), primary_key=True, index=True),
    Column("amount", BigInteger, nullable=False, comment="Leased and not yet settled as used"),
    CheckConstraint("amount >= 0", name="amount_not_negative"),
    ForeignKeyConstraint(
        ["tenant", "kind", "window_start"],
        ["quota_windows.tenant", "quota_windows.kind", "quota_windows.window_start"],
        ondelete="CASCADE",
    ),
)

budget_windows = Table(
    "budget_windows",
    metadata,
    Column("tenant", Text, primary_key=True, comment="Empty for the whole fleet"),
    Column("kind", Text, primary_key=True, comment="day or month"),
    Column("window_start", DateTime(timezone=True), primary_key=True),
    Column("reserved_micros", BigInteger, nullable=False, server_default="0"),
    Column("spent_micros", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("reserved_micros >= 0 AND spent_micros >= 0", name="money_not_negative"),
)

reservations = Table(
    "reservations",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("attempt", SmallInteger, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("micros", BigInteger, nullable=False),
    Column("day", DateTime(timezone=True), nullable=False, comment="The windows that it was taken from"),
    Column("month", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

ledger = Table(
    "ledger",
    metadata,
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column("attempt", SmallInteger, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("cached_tokens", Integer, nullable=False),
    Column("gpu_ms", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("baseline_micros", BigInteger, nullable=False),
    Column("queued_ms", Integer, nullable=False),
    Column("ttft_ms", Integer, nullable=False),
    Column("total_ms", Integer, nullable=False),
    Index("ledger_tenant_at", "tenant", "at"),
    Index("ledger_request_id", "request_id"),
    postgresql_partition_by="RANGE (at)",
)

usage_days = Table(
    "usage_days",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("day", DateTime(timezone=True), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("tier", Text, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("gpu_ms", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Column("baseline_micros", BigInteger, nullable=False),
    Index("usage_days_day", "day"),
)

responses = Table(
    "responses",
    metadata,
    Column("tenant", Text, ForeignKey("tenants.name", ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary, primary_key=True, comment="Of everything that changes the answer"),
    Column("content_type", Text, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("prompt_tokens", Integer, nullable=False),
    Column("completion_tokens", Integer, nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

egress = Table(
    "egress",
    metadata,
    Column("id", Text, primary_key=True),
    _when("at"),
    Column("request_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Index("egress_tenant_at", "tenant", "at"),
    Index("egress_at", "at"),
)

labels = Table(
    "labels",
    metadata,
    Column("id", Text, primary_key=True),
    _when("at"),
    Column("request_id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("source", Text, nullable=False, comment="judged or feedback"),
    Column("model", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("propensity", Double, nullable=False, comment="How likely this request was to be sampled"),
    Column("score", Double, nullable=False, comment="1 better than the reference, 0.5 as good, 0 worse"),
    Column("judge", Text, nullable=False),
    Column("judge_version", Text, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Index("labels_tenant_at", "tenant", "at"),
    Index("labels_at", "at"),
)

samples = Table(
    "samples",
    metadata,
    Column("tenant", Text, ForeignKey("tenants.name", ondelete="CASCADE"), primary_key=True),
    Column("request_id", Text, primary_key=True),
    Column(
        "prompt",
        LargeBinary,
        nullable=False,
        comment="What the user said, sealed with the tenant and the request beside it",
    ),
    Column("expires_at", DateTime(timezone=True), nullable=False, index=True),
)

routers = Table(
    "routers",
    metadata,
    Column("version", Text, primary_key=True),
    _when("at"),
    Column("card", JSONB, nullable=False),
    Column("model", LargeBinary, nullable=False),
)

router_moves = Table(
    "router_moves",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("action", Text, nullable=False),
    Column("version", Text, nullable=False, comment="In use from then on; empty where length decides"),
    Column("share", Double, comment="Of the large tier from then on; none for that of the fleet file"),
    Column("why", JSONB, nullable=False, server_default="{}"),
    Index("router_moves_at", "at"),
)

traffic_hours = Table(
    "traffic_hours",
    metadata,
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("tier", Text, primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in ("requests", "prompt_tokens", "completion_tokens")),
    Column("cached_tokens", BigInteger, nullable=False),
    *(Column(name, Double, nullable=False) for name in ("prompt_ln", "prompt_ln2", "completion_ln", "completion_ln2")),
)

promise_days = Table(
    "promise_days",
    metadata,
    Column("day", DateTime(timezone=True), primary_key=True),
    Column("model", Text, primary_key=True),
    Column("promise", Text, primary_key=True, comment="A field of slo in the fleet file"),
    Column("bound_s", Double, comment="Seconds that were promised; none for shares of requests"),
    Column("wanted", Double, nullable=False, comment="The share of answers that must hold it"),
    Column("asked", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
)

replica_spans = Table(
    "replica_spans",
    metadata,
    Column("model", Text, primary_key=True),
    Column("since", DateTime(timezone=True), primary_key=True),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("gpu", Text, nullable=False),
    *(Column(name, Integer, nullable=False) for name in ("gpus", "replicas", "most")),
)
