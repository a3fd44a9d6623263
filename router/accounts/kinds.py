"""What is counted against a plan, and over which time; the windows are named by the database's clock. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from cluster.spec import Plan

NEVER = math.inf
"""A monotonic time that does not come."""


class Kind(NamedTuple):
    """One limit of a plan."""

    field: str
    """Its field in :class:`cluster.spec.Plan`, and its name in the tables."""
    unit: str
    """``minute`` or ``month``, as PostgreSQL's ``date_trunc`` knows them; both of UTC."""
    basis: str
    """What counts: ``requests`` that were admitted, ``messages`` that were answered, or ``tokens``."""

    @property
    def brief(self) -> bool:
        """Whether its windows are over so soon that nobody asks about past ones."""
        return self.unit == "minute"


KINDS = (
    Kind("messages_per_month", "month", "messages"),
    Kind("requests_per_minute", "minute", "requests"),
    Kind("tokens_per_minute", "minute", "tokens"),
    Kind("tokens_per_month", "month", "tokens"),
)
"""In the order of their rows' locks: by name."""
BRIEF = [kind.field for kind in KINDS if kind.brief]


class Limits(NamedTuple):
    """The numbers of a plan that quotas look at."""

    concurrent: float
    counted: tuple[tuple[Kind, int], ...]
    """The kinds that are limited at all, with their limits."""


def limits_of(plan: Plan) -> Limits:
    """What a plan limits."""
    found = ((kind, getattr(plan, kind.field)) for kind in KINDS)
    most = plan.concurrent_requests
    return Limits(NEVER if most is None else most, tuple((kind, limit) for kind, limit in found if limit is not None))


_LASTS_S = 20.0
_SHRINK, _GROW = 0.25, 4.0


def next_block(block: int, lasted_s: float, need: int) -> int:
    """How many units to lease next, when ``block`` units lasted for ``lasted_s`` seconds.

    Aims at blocks that last for 20 s: long enough to survive a database's restart, short enough that an idle gateway
    sits on little. What remains in the window bounds it further, in the database.
    """
    factor = min(_GROW, max(_SHRINK, _LASTS_S / max(lasted_s, 0.001)))
    return max(1, 2 * need, math.ceil(block * factor))


def duration(seconds: float) -> str:
    """``6m0s``: the form of OpenAI's ``x-ratelimit-reset-*``; whole seconds, rounded up."""
    minutes, rest = divmod(max(0, math.ceil(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
