"""What a decision is made from, and what it says; tuples, because several are made for every request."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from cluster.spec import Capability
from router.wire.endpoints import Kind


class Ask(NamedTuple):
    """What a request needs, as far as its body tells."""

    kind: Kind
    model: str
    """As the caller named it: a model, a tier, or ``auto``."""
    prompt_tokens: int
    """Estimated, or counted where ``counted``."""
    most_tokens: int
    """What the prompt cannot exceed: no token is shorter than a byte."""
    answer_tokens: int = 0
    """The answer's limit that the caller set; 0 for none."""
    needs: frozenset[Capability] = frozenset()
    counted: bool = False
    said: tuple[str, ...] = ()
    """The user's texts, in order; what a trained router reads."""
    only_here: str = ""
    """A field for which no hosted model can answer, as their API lacks it; empty where one can."""

    @property
    def room(self) -> int:
        """Tokens that the context must leave for the answer."""
        return 0 if self.kind is Kind.EMBEDDING else max(self.answer_tokens, 1)


class Load(NamedTuple):
    """What is going on at a target, seen from this gateway worker."""

    in_flight: int = 0
    waiting: int = 0
    available: bool = True
    ttft_s: float = 0.0
    """Seconds until the first token of a request that came now, as predicted; 0 where nothing is known."""


class Reason(StrEnum):
    """Why a target was chosen; stable names, in ``x-freehold-reason`` and in metrics."""

    NAMED = "named"
    """The caller named the model."""
    TIER = "tier"
    """The caller named the tier."""
    SHORT = "short-prompt"
    LONG = "long-prompt"
    EASY = "learned-easy"
    """The router trained on your labels expects little of the large model here."""
    HARD = "learned-hard"
    """It expects more than of most requests."""
    ONLY_ABLE = "only-able"
    """No model of the preferred tier can do what the request needs, or holds its length."""
    BUSY = "busy"
    """The preferred tier is busy; the other one is able and less so."""
    DOWN = "down"
    """The preferred tier does not answer."""
    EMBEDDING = "embedding"
    UNPAID = "unpaid"
    """A paid target was to answer, and no budget has enough left."""
    SPILL_UNABLE = "spill-unable"
    """No local model can do what the request needs."""
    SPILL_DOWN = "spill-down"
    """No local model answers, or takes another request."""
    SPILL_SLOW = "spill-slow"
    """The local models would take longer than ``spillover.ttft_seconds``."""
    SPILL_HARD = "spill-hard"
    """It looks harder than ``spillover.spill_above``."""
    KEPT = "cascade-kept"
    """``small`` began the answer and was sure enough of it."""
    ESCALATED = "cascade-escalated"
    """``small`` began the answer, was less sure of it than of most, and was given up before the caller saw anything."""
    CACHED = "cached"
    """The caller had the same answer before; no model was asked."""


class Decision(NamedTuple):
    """Who answers, why, and who would instead."""

    model: str
    tier: str
    reason: Reason
    alternatives: tuple[str, ...] = ()
    """Tried in this order when ``model`` fails before its first byte."""
