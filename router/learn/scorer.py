"""A trained router as the policy's scorer; where it has nothing to read, length decides, and the reason says so."""

from __future__ import annotations

from cluster.spec import Routing
from router.decide.facts import Ask, Reason
from router.decide.scorer import ByLength
from router.learn.artefact import Trained
from router.learn.head import Head, see
from router.learn.quantile import RollingQuantile


class Learned:
    """Sends the prompts with the highest expected gain to ``large``: ``routing.large_share`` of the latest ones."""

    def __init__(self, trained: Trained, routing: Routing) -> None:
        """Take the head with the most labels; the gateway knows no other models than its own."""
        self.version = trained.version
        self._head: Head = trained.head("", answered=False)
        self._quantile = RollingQuantile(routing.large_share, trained.card["reference_scores"])
        self._by_length = ByLength(routing)

    def tier(self, ask: Ask) -> tuple[str, Reason]:
        """By the expected gain among the latest; by length for what has no text, such as token numbers."""
        if not ask.said:
            return self._by_length.tier(ask)
        if self._quantile.is_large(self.expected_gain(ask)):
            return "large", Reason.HARD
        return "small", Reason.EASY

    def expected_gain(self, ask: Ask) -> float:
        """What the large model would add to the answer's quality."""
        return self._head.score(see("\n".join(ask.said)))
