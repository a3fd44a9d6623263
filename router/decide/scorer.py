"""How hard a request looks. A learned scorer takes this place once there are labels of the user's own traffic."""

from __future__ import annotations

from typing import Protocol

from cluster.spec import Routing
from router.decide.facts import Ask, Reason


class Scorer(Protocol):
    """Tells which tier a request deserves."""

    def tier(self, ask: Ask) -> tuple[str, Reason]:
        """``small`` or ``large``, and why."""
        ...


class ByLength:
    """Short conversations to ``small``, long ones to ``large``: as good as a router trained on others' traffic."""

    def __init__(self, routing: Routing) -> None:
        """Keep the threshold."""
        self._small_up_to = routing.small_up_to_tokens

    def tier(self, ask: Ask) -> tuple[str, Reason]:
        """By estimated prompt tokens."""
        if ask.prompt_tokens <= self._small_up_to:
            return "small", Reason.SHORT
        return "large", Reason.LONG
