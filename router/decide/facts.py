"""What a decision is made from, and what it says; tuples, because several are made for every request."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from cluster.spec import Capability, WhenBusy
from router.wire.endpoints import Kind


class Terms(NamedTuple):
    """What a caller's account says about who may answer."""

    allowed: Collection[str] | None = None
    """Models; None for all."""
    tenant: str = ""
    plan: str = ""
    """The name of the tenant's plan."""
    routes: Collection[str] | None = None
    """Named routes; None for all."""
    when_busy: tuple[WhenBusy, ...] | None = None
    """What the plan tries when the tier that should answer is saturated; None for the fleet's order."""
    is_site: bool = True
    """Whether it may speak for another site; everybody where there are no accounts."""


class Thread(NamedTuple):
    """A conversation, as far as it can be told without its text."""

    digest: bytes
    """Keyed hash of how it began, or of the name that the caller gave it."""
    messages: int
    named: bool
    """The caller says which conversation it is, in a header."""
    opening_tokens: int = 0
    """Of its first messages, up to the user's first; estimated."""


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

    why: Reason | None = None
    """Why ``model`` is not what the caller named: a rule, or a named route."""
    when_busy: tuple[WhenBusy, ...] | None = None
    """The plan's order; None for the fleet's."""
    thread: Thread | None = None
    verdict: Verdict | None = None
    """What the scorer said, where it was asked already: asking twice would count twice."""

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
    busy: bool = False
    """It says itself that it is saturated."""


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
    SITE = "site"
    """The model is down or saturated here; the same one at another site answers."""
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
    ROUTE = "route"
    """The caller named a route, and this is its model or tier."""
    RULE = "rule"
    """A rule of ``routing.rules`` holds."""
    PINNED = "pinned"
    """Who answered the conversation so far goes on."""
    SHORTCUT = "shortcut"
    """A template answered; no model was asked."""
    CACHED = "cached"
    """The caller had the same answer before; no model was asked."""


class Verdict(NamedTuple):
    """Which tier a request to ``auto`` deserves."""

    tier: str
    reason: Reason
    score: float | None = None
    """What the large model would add to the answer's quality, from -1 to 1; None where nothing has been learnt."""
    quality: float | None = None
    """Of the small model's answer, as a share of the large one's."""
    model: str = ""
    """Who should go first in that tier; empty for the fleet's order."""


class Decision(NamedTuple):
    """Who answers, why, and who would instead."""

    model: str
    tier: str
    reason: Reason
    alternatives: tuple[str, ...] = ()
    """Tried in this order when ``model`` fails before its first byte."""
    score: float | None = None
    """As in :class:`Verdict`; so is ``quality``, of the chosen model's answer. None where nobody can tell."""
    quality: float | None = None
    cost_usd: float | None = None
    """What the answer is expected to cost, by ``price`` or ``own_cost``."""
    ttft_s: float | None = None
    """Seconds until its first token, as predicted from the target's queue and its latest answers."""
