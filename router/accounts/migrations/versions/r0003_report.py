"""What a month's report needs beyond usage: the hours' load, the promises' days, how many replicas ran when."""

from __future__ import annotations

from alembic import op

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    """Make them."""
    op.execute(_TABLES)


_TABLES = """
CREATE INDEX usage_days_day ON usage_days (day);

CREATE TABLE traffic_hours (
    hour TIMESTAMPTZ NOT NULL,
    tier TEXT NOT NULL,
    requests BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    prompt_ln DOUBLE PRECISION NOT NULL,
    prompt_ln2 DOUBLE PRECISION NOT NULL,
    completion_ln DOUBLE PRECISION NOT NULL,
    completion_ln2 DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (hour, tier)
);

CREATE TABLE promise_days (
    day TIMESTAMPTZ NOT NULL,
    model TEXT NOT NULL,
    promise TEXT NOT NULL,
    bound_s DOUBLE PRECISION,
    wanted DOUBLE PRECISION NOT NULL,
    asked BIGINT NOT NULL,
    held BIGINT NOT NULL,
    PRIMARY KEY (day, model, promise)
);
COMMENT ON COLUMN promise_days.promise IS 'A field of slo in the fleet file';
COMMENT ON COLUMN promise_days.bound_s IS 'Seconds that were promised; none for shares of requests';
COMMENT ON COLUMN promise_days.wanted IS 'The share of answers that must hold it';

CREATE TABLE replica_spans (
    model TEXT NOT NULL,
    since TIMESTAMPTZ NOT NULL,
    until TIMESTAMPTZ NOT NULL,
    gpu TEXT NOT NULL,
    gpus INTEGER NOT NULL,
    replicas INTEGER NOT NULL,
    most INTEGER NOT NULL,
    PRIMARY KEY (model, since)
);
"""
