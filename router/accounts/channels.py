"""What gateways tell each other through the database (LISTEN and NOTIFY); a notice leaves as its transaction ends."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.sql.selectable import Select

KEYS = "freehold_keys"
"""A key was created, rotated or revoked; the payload is its id."""
TENANTS = "freehold_tenants"
"""A tenant's plan changed, or it was deleted; the payload is its name."""

ROUTERS = "freehold_routers"
"""Another trained router, or another share, is in use; the payload is the move's id."""


def notice(channel: str, payload: str) -> Select[tuple[object]]:
    """The statement that sends one."""
    return select(func.pg_notify(channel, payload))
