"""What left the site, how good answers were, what a router learns from, and which router is in use."""

from __future__ import annotations

from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    """Make them."""
    op.execute(_TABLES)


_TABLES = """
CREATE INDEX ledger_request_id ON ledger (request_id);

CREATE TABLE egress (
    id TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT now() NOT NULL,
    request_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    model TEXT NOT NULL,
    host TEXT NOT NULL,
    reason TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX egress_tenant_at ON egress (tenant, at);
CREATE INDEX egress_at ON egress (at);

CREATE TABLE labels (
    id TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT now() NOT NULL,
    request_id TEXT NOT NULL,
    tenant TEXT NOT NULL,
    source TEXT NOT NULL,
    model TEXT NOT NULL,
    tier TEXT NOT NULL,
    reason TEXT NOT NULL,
    reference TEXT NOT NULL,
    propensity DOUBLE PRECISION NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    judge TEXT NOT NULL,
    judge_version TEXT NOT NULL,
    cost_micros BIGINT NOT NULL,
    PRIMARY KEY (id)
);
COMMENT ON COLUMN labels.source IS 'judged or feedback';
COMMENT ON COLUMN labels.propensity IS 'How likely this request was to be sampled';
COMMENT ON COLUMN labels.score IS '1 better than the reference, 0.5 as good, 0 worse';
CREATE INDEX labels_tenant_at ON labels (tenant, at);
CREATE INDEX labels_at ON labels (at);

CREATE TABLE router_moves (
    id TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    action TEXT NOT NULL,
    version TEXT NOT NULL,
    share DOUBLE PRECISION,
    why JSONB DEFAULT '{}' NOT NULL,
    PRIMARY KEY (id)
);
COMMENT ON COLUMN router_moves.version IS 'In use from then on; empty where length decides';
COMMENT ON COLUMN router_moves.share IS 'Of the large tier from then on; none for that of the fleet file';
CREATE INDEX router_moves_at ON router_moves (at);

CREATE TABLE routers (
    version TEXT NOT NULL,
    at TIMESTAMPTZ DEFAULT now() NOT NULL,
    card JSONB NOT NULL,
    model BYTEA NOT NULL,
    PRIMARY KEY (version)
);

CREATE TABLE samples (
    tenant TEXT NOT NULL,
    request_id TEXT NOT NULL,
    prompt BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant, request_id),
    FOREIGN KEY (tenant) REFERENCES tenants (name) ON DELETE CASCADE
);
COMMENT ON COLUMN samples.prompt IS 'What the user said, sealed with the tenant and the request beside it';
CREATE INDEX ix_samples_expires_at ON samples (expires_at);
"""
