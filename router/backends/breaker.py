"""Whether a target is worth trying, learnt from real requests.

After ``FAILURES`` in a row the target counts as down for a while that doubles each time; then one request finds out,
and for the others the target stays down until that one knows, or until the next while has passed.
A target that is down is still tried when nothing else is able: a wrong guess must not refuse what would have worked.
"""

from __future__ import annotations

from collections.abc import Callable

FAILURES = 3
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


class Breaker:
    """Counts failures in a row; pure but for the clock that it is given."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` gives monotonic seconds."""
        self._now = now
        self._failures = 0
        self._pause = FIRST_PAUSE_S
        self._down_until = 0.0

    @property
    def available(self) -> bool:
        """Whether the target should be preferred to others."""
        return self._now() >= self._down_until

    @property
    def open(self) -> bool:
        """Whether it failed so often, or asked to be left alone, and has not answered since."""
        return self._failures >= FAILURES or not self.available

    def trying(self) -> None:
        """A request goes to the target; the first after a pause goes alone."""
        if self._failures >= FAILURES and self.available:
            self._pause_now()

    def succeeded(self) -> None:
        """An answer came; the target is well."""
        self._failures = 0
        self._pause = FIRST_PAUSE_S
        self._down_until = 0.0

    def failed(self) -> None:
        """No answer came."""
        self._failures += 1
        if self._failures >= FAILURES and self.available:
            self._pause_now()

    def rest(self, seconds: float) -> None:
        """The target asked to be left alone for a while; no longer than we would leave one that failed."""
        self._down_until = self._now() + min(max(seconds, FIRST_PAUSE_S), LONGEST_PAUSE_S)

    def _pause_now(self) -> None:
        self._down_until = self._now() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
