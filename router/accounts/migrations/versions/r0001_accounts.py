"""The first tables. The ledger's partition for what fits into no month is part of them; months are made as needed."""

from __future__ import annotations

from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Make them."""
    op.execute(_TABLES)


_TABLES = """
CREATE TABLE budget_windows (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    reserved_micros BIGINT DEFAULT '0' NOT NULL,
    spent_micros BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (tenant, kind, window_start),
    CONSTRAINT money_not_negative CHECK (reserved_micros >= 0 AND spent_micros >= 0)
);
COMMENT ON COLUMN budget_windows.tenant IS 'Empty for the whole fleet';
COMMENT ON COLUMN budget_windows.kind IS 'day or month';

CREATE TABLE gateways (
    id TEXT NOT NULL,
    started_at TIMESTAMPTZ DEFAULT now() NOT NULL,
    seen_at TIMESTAMPTZ DEFAULT now() NOT NULL,
    PRIMARY KEY (id)
);
COMMENT ON COLUMN gateways.id IS 'One worker process; new at every start';

CREATE TABLE ledger (
    at TIMESTAMPTZ NOT NULL,
    request_id TEXT NOT NULL,
    attempt SMALLINT NOT NULL,
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    tier TEXT NOT NULL,
    reason TEXT NOT NULL,
    status SMALLINT NOT NULL,
    outcome TEXT NOT NULL,
    stream BOOLEAN NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    cached_tokens INTEGER NOT NULL,
    gpu_ms BIGINT NOT NULL,
    cost_micros BIGINT NOT NULL,
    baseline_micros BIGINT NOT NULL,
    queued_ms INTEGER NOT NULL,
    ttft_ms INTEGER NOT NULL,
    total_ms INTEGER NOT NULL,
    PRIMARY KEY (at, request_id, attempt)
)
PARTITION BY RANGE (at);
CREATE INDEX ledger_tenant_at ON ledger (tenant, at);
CREATE TABLE ledger_default PARTITION OF ledger DEFAULT;

CREATE TABLE reservations (
    request_id TEXT NOT NULL,
    attempt SMALLINT NOT NULL,
    tenant TEXT NOT NULL,
    micros BIGINT NOT NULL,
    day TIMESTAMPTZ NOT NULL,
    month TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (request_id, attempt)
);
COMMENT ON COLUMN reservations.day IS 'The windows that it was taken from';
CREATE INDEX ix_reservations_expires_at ON reservations (expires_at);

CREATE TABLE tenants (
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    overrides JSONB DEFAULT '{}' NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE usage_days (
    tenant TEXT NOT NULL,
    day TIMESTAMPTZ NOT NULL,
    model TEXT NOT NULL,
    tier TEXT NOT NULL,
    reason TEXT NOT NULL,
    outcome TEXT NOT NULL,
    requests BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    gpu_ms BIGINT NOT NULL,
    cost_micros BIGINT NOT NULL,
    baseline_micros BIGINT NOT NULL,
    PRIMARY KEY (tenant, day, model, tier, reason, outcome)
);

CREATE TABLE keys (
    id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    digest BYTEA NOT NULL,
    pepper BYTEA NOT NULL,
    label TEXT DEFAULT '' NOT NULL,
    admin BOOLEAN DEFAULT 'false' NOT NULL,
    models TEXT[] DEFAULT '{}' NOT NULL,
    tiers TEXT[] DEFAULT '{}' NOT NULL,
    endpoints TEXT[] DEFAULT '{}' NOT NULL,
    networks CIDR[] DEFAULT '{}' NOT NULL,
    created_at TIMESTAMPTZ DEFAULT now() NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    PRIMARY KEY (id),
    FOREIGN KEY (tenant) REFERENCES tenants (name) ON DELETE CASCADE
);
COMMENT ON COLUMN keys.digest IS 'HMAC-SHA-256 of the whole key under the pepper';
COMMENT ON COLUMN keys.pepper IS 'Fingerprint of that pepper, so that a wrong one is noticed';
CREATE INDEX ix_keys_tenant ON keys (tenant);

CREATE TABLE quota_windows (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    used BIGINT DEFAULT '0' NOT NULL,
    leased BIGINT DEFAULT '0' NOT NULL,
    PRIMARY KEY (tenant, kind, window_start),
    CONSTRAINT quota_not_negative CHECK (used >= 0 AND leased >= 0),
    FOREIGN KEY (tenant) REFERENCES tenants (name) ON DELETE CASCADE
);
COMMENT ON COLUMN quota_windows.kind IS 'messages_per_month, tokens_per_minute, …';
COMMENT ON COLUMN quota_windows.leased IS 'Sum of the leases on it';

CREATE TABLE responses (
    tenant TEXT NOT NULL,
    digest BYTEA NOT NULL,
    content_type TEXT NOT NULL,
    answer BYTEA NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant, digest),
    FOREIGN KEY (tenant) REFERENCES tenants (name) ON DELETE CASCADE
);
COMMENT ON COLUMN responses.digest IS 'Of everything that changes the answer';
CREATE INDEX ix_responses_expires_at ON responses (expires_at);

CREATE TABLE quota_leases (
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    window_start TIMESTAMPTZ NOT NULL,
    gateway TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (tenant, kind, window_start, gateway),
    CONSTRAINT amount_not_negative CHECK (amount >= 0),
    FOREIGN KEY (tenant, kind, window_start) REFERENCES quota_windows (tenant, kind, window_start) ON DELETE CASCADE,
    FOREIGN KEY (gateway) REFERENCES gateways (id)
);
COMMENT ON COLUMN quota_leases.amount IS 'Leased and not yet settled as used';
CREATE INDEX ix_quota_leases_gateway ON quota_leases (gateway);
"""
