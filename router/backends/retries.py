"""A budget of retries: an outage must not be multiplied by those who try again.

Every request pays ``SHARE`` of a retry in; a retry takes a whole one out. So engines that fail everything see at most
that share more than they are asked (and ``RESERVE`` to begin with, which is what a quiet fleet lives on). What cannot
add load is free: a connection that never stood, an engine that died, and a 429, after which another target is asked
and never the same. (The scheme: Finagle's RetryBudget, and gRFC A6 "retry throttling".)
"""

from __future__ import annotations

from router.backends.errors import DeadlineError, StatusError, UpstreamError

SHARE = 0.1
RESERVE = 10.0
MOST = 100.0
"""Retries that quiet times can save up."""
_TOO_MANY = 429


class Retries:
    """What one gateway worker may still try again."""

    def __init__(self) -> None:
        """Begin with the reserve."""
        self._left = RESERVE

    def earn(self) -> None:
        """A request came."""
        self._left = min(self._left + SHARE, MOST)

    def spend(self, error: UpstreamError) -> bool:
        """Take what another try after ``error`` costs; False, and nothing taken, when that is not left."""
        if isinstance(error, DeadlineError) or (isinstance(error, StatusError) and error.status != _TOO_MANY):
            if self._left < 1:
                return False
            self._left -= 1
        return True
