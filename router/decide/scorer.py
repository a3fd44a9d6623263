"""How hard a request looks. A learned scorer takes this place once there are labels of the user's own traffic."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cluster.spec import Routing
from router.decide.facts import Ask, Reason, Verdict


class Scorer(Protocol):
    """Tells which tier a request deserves."""

    @property
    def curve(self) -> Sequence[float] | None:
        """Quality by share, for :mod:`router.decide.dial`; empty where it was not kept, None where none was learnt."""
        ...

    def hold(self, share: float) -> None:
        """From now on, such a share of requests is to go to ``large``."""
        ...

    def tier(self, ask: Ask) -> Verdict:
        """``small`` or ``large``, and why."""
        ...

    def took(self, tier: str) -> None:
        """A request went to a tier without being judged; the dial's share counts it."""
        ...


class ByLength:
    """Short conversations to ``small``, long ones to ``large``: as good as a router trained on others' traffic."""

    def __init__(self, routing: Routing) -> None:
        """Keep the threshold."""
        self._small_up_to = routing.small_up_to_tokens

    def tier(self, ask: Ask) -> Verdict:
        """By estimated prompt tokens."""
        if ask.prompt_tokens <= self._small_up_to:
            return Verdict("small", Reason.SHORT)
        return Verdict("large", Reason.LONG)

    curve: Sequence[float] | None = None

    def hold(self, share: float) -> None:
        """Length keeps no share."""

    def took(self, tier: str) -> None:
        """Nor does it count."""
