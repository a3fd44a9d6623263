"""A trained router as the policy's scorer; where it has nothing to read, length decides, and the reason says so."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.spec import Routing
from router.decide.facts import Ask, Reason, Verdict
from router.decide.scorer import ByLength
from router.learn.artefact import Trained
from router.learn.head import Head, see
from router.learn.quantile import RollingQuantile
from router.learn.topics import Portions, topic_of


class Learned:
    """Sends the prompts with the highest expected gain to ``large``: such a share of the latest as the dial says."""

    def __init__(self, trained: Trained, routing: Routing) -> None:
        """Take the head with the most labels; the gateway knows no other models than its own."""
        self.version = trained.version
        self.curve: Sequence[float] | None = trained.curve
        self._head: Head = trained.head("", answered=False)
        self._quantile = RollingQuantile(routing.large_share, trained.card["reference_scores"])
        self._portions = Portions(routing.topic_share)
        self._by_length = ByLength(routing)
        self._best = self.curve[-1] if self.curve else 0.0

    def hold(self, share: float) -> None:
        """From now on, such a share goes to ``large``."""
        self._quantile.share = share

    def took(self, tier: str) -> None:
        """A request that was not judged counts in the share."""
        self._quantile.took(large=tier == "large")

    def tier(self, ask: Ask) -> Verdict:
        """By the expected gain among the latest; by length for what has no text, such as token numbers."""
        if not ask.said:
            return self._by_length.tier(ask)
        sight = see("\n".join(ask.said))
        gain, topic = float(self._head.score(sight)), topic_of(sight.looks)
        large = self._quantile.is_large(gain, may=self._portions.may(topic, self._quantile.share))
        self._portions.saw(topic, large=large)
        quality = min(1.0, max(0.0, 1 - gain / self._best)) if self._best else None
        if large:
            return Verdict("large", Reason.HARD, gain, quality)
        return Verdict("small", Reason.EASY, gain, quality)

    def expected_gain(self, ask: Ask) -> float:
        """What the large model would add to the answer's quality."""
        return self._head.score(see("\n".join(ask.said)))
