"""How long a request would wait for its first token, by what was measured lately.

Two exponentially weighted means: the time to first token of streams that a target answered, and the time between slots
that became free while requests waited. The first fades with a half-life, so that a target which nobody asks any more,
because it was slow, is found out about again. (Holt's smoothing; the fading is ours.)
"""

from __future__ import annotations

from collections.abc import Callable

WEIGHT = 0.2
"""Of the newest measurement: the last ten or so count."""
HALF_LIFE_S = 10.0
"""Of what was measured, once nothing is measured any more."""


class Forecast:
    """Of one target; pure but for the clock that it is given."""

    def __init__(self, now: Callable[[], float]) -> None:
        """``now`` gives monotonic seconds."""
        self._now = now
        self._ttft = self._turn = 0.0
        self._heard_at = self._given_at = 0.0

    def heard(self, seconds: float) -> None:
        """A stream's first token took so long."""
        self._ttft = seconds if not self._ttft else self._ttft + WEIGHT * (seconds - self._ttft)
        self._heard_at = self._now()

    def given(self) -> None:
        """A slot became free, and somebody who waited has it."""
        now = self._now()
        if self._given_at:
            turn = now - self._given_at
            self._turn = turn if not self._turn else self._turn + WEIGHT * (turn - self._turn)
        self._given_at = now

    def idle(self) -> None:
        """A slot became free, and nobody waits."""
        self._given_at = 0.0

    def ttft_s(self, waiting: int, *, free: bool) -> float:
        """Seconds until the first token of a request that came now."""
        if free and not self._ttft:
            return 0.0
        faded: float = 0.5 ** ((self._now() - self._heard_at) / HALF_LIFE_S)
        return self._ttft * faded + (0.0 if free else (waiting + 1) * self._turn)
