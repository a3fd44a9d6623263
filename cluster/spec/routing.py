"""Tiers, and how ``model: auto`` chooses between them: one dial, hard rules, and what happens under load."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from cluster.spec.base import FieldPath, MisfitError, Name, Noun
from cluster.spec.models import Capability

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
TagName = Annotated[str, StringConstraints(pattern=r"^[^\s]{1,64}$")]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=512)]
_DIALS = ("large_share", "quality", "usd_per_1k_requests")


class Tiers(Noun):
    """Which models stand for a tier, the preferred one first; the others are its alternatives."""

    small: tuple[Name, ...] = ()
    """Answer most requests: cheap and fast."""
    large: tuple[Name, ...] = ()
    """Answer what is too long or too hard for ``small``."""
    embedding: tuple[Name, ...] = ()
    """Embed texts; only models with the capability ``embeddings``."""


class WhenBusy(StrEnum):
    """What to do with a request whose tier is saturated."""

    DEGRADE = "degrade"
    """The other tier answers, where it is able and not saturated itself."""
    SPILL = "spill"
    """The spillover chain answers, where its trigger ``slow``, permission and budget let it."""
    QUEUE = "queue"
    """It waits; where the queue is full, it gets a 429."""
    REJECT = "reject"
    """It gets a 429 at once, with the predicted wait as ``Retry-After``."""


class Rule(Noun):
    """Requests to ``auto`` that are answered as if their caller had named a model or a tier.

    All that is set must hold; the first rule of which it does wins.
    """

    to: Name
    """A model, or ``small`` or ``large``. Plan, permission and ability bind as if the caller had named it."""
    headers: dict[HeaderName, Tag] = Field(default={})
    """Headers of the request, in small letters, and the values that they must have."""
    metadata: dict[TagName, Tag] = Field(default={})
    """Entries of the body's ``metadata``, and the values that they must have."""
    endpoints: tuple[Literal["chat", "completion", "responses", "messages"], ...] = ()
    """One of these APIs."""
    plans: tuple[Name, ...] = ()
    """The caller's tenant has one of these plans."""
    needs: tuple[Capability, ...] = ()
    """The request needs all of these."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if not (self.headers or self.metadata or self.endpoints or self.plans or self.needs):
            raise MisfitError((("to",), "this rule would take every request; say when it holds, or set the dial"))
        return self


class Cascade(Noun):
    """A second look at what ``small`` says: its least confident answers are asked of ``large`` instead.

    The first tokens of a chat answer are held back until that is decided; the caller sees nothing of an attempt that
    was given up. A request's header ``x-freehold-cascade: never`` turns it off for that request.
    """

    share: Share = 0
    """Share of the answers begun by ``small`` for ``model: auto`` that are given up for ``large``: the least confident
    ones among the latest. 0, the default, turns it off: holding costs time to first token, and what is gained by it
    depends on your models."""
    tokens: Annotated[int, Field(ge=1, le=256)] = 32
    """Tokens to look at before deciding; a shorter answer is looked at whole."""
    hold_seconds: Annotated[float, Field(gt=0, le=60)] = 1
    """How long a first token may be held back; then it is decided on what has come. So much, and the time to first
    token of ``small``, is what an answer that was given up costs its caller."""
    top_logprobs: Annotated[int, Field(ge=0, le=20)] = 0
    """Likeliest tokens to ask for beside each token, which entropy and margin are computed from. 0, the default: none,
    as the decision is made on the mean log probability while nothing better has been learnt."""


class Routing(Noun):
    """How ``model: auto`` chooses a tier: rules, then conversations under way, then the dial, then the load.

    The dial is one of ``large_share``, ``quality`` and ``usd_per_1k_requests``; docs/routing.md explains them.
    """

    small_up_to_tokens: Annotated[int, Field(ge=0, le=100_000_000)] = 1000
    """Conversations of up to so many estimated prompt tokens go to ``small``, longer ones to ``large``, while no router
    has been trained on your own traffic; length is as good a predictor of difficulty as routers trained on other
    people's traffic, and is known in microseconds."""
    large_share: Share = 0.2
    """The dial as a share of ``model: auto`` that goes to ``large`` once a router trained on your own labels is
    promoted (``freehold router promote``): those with the highest expected gain, whatever the traffic's mix."""
    quality: Share | None = None
    """The dial as a share of the large model's quality to keep, such as 0.95: the smallest share of ``large`` that
    keeps it on the labels that the promoted router had not seen."""
    usd_per_1k_requests: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    """The dial as what 1000 requests to ``auto`` may cost on average, by the models' ``price`` or ``own_cost`` and the
    lengths in ``traffic``."""
    topic_share: Share = 0.5
    """One topic (code, mathematics, law, …) takes at most such a share of what goes to ``large``, or its share of the
    traffic where that is more. 1 turns it off."""
    cascade: Cascade = Cascade()
    rules: Annotated[tuple[Rule, ...], Field(max_length=100)] = ()
    """Looked at before anything else."""
    conversations: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """Conversations of which a gateway worker remembers who answered, by a keyed hash, so that a chat stays with its
    model. 0 decides anew at every turn."""
    busy_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """When a tier has so many requests in flight per replica, it is saturated; so it is when its predicted time to
    first token is beyond ``slo.ttft_p95_s``."""
    when_busy: tuple[WhenBusy, ...] = (WhenBusy.DEGRADE, WhenBusy.SPILL, WhenBusy.QUEUE)
    """What is tried, in this order, while the tier that should answer is saturated. A plan can have its own."""

    @model_validator(mode="after")
    def _one_dial(self) -> Self:
        given = self.dials
        if len(given) > 1:
            raise MisfitError(((given[1],), f"{' and '.join(given)} are one dial; keep one of them"))
        return self

    @property
    def dials(self) -> list[str]:
        """The fields of the dial that the file sets; one at most."""
        return [name for name in _DIALS if name in self.model_fields_set and getattr(self, name) is not None]


def astray(rules: tuple[Rule, ...], known: frozenset[str], plans: frozenset[str]) -> list[tuple[FieldPath, str]]:
    """Rules that lead nowhere or can never hold, as pairs of a path and what is wrong there."""
    found: list[tuple[FieldPath, str]] = []
    for index, rule in enumerate(rules):
        if rule.to not in known:
            found.append((("routing", "rules", index, "to"), f"no model {rule.to!r} in this file, and no such tier"))
        found += [
            (("routing", "rules", index, "plans", at), f"no plan {plan!r} in tenants.plans")
            for at, plan in enumerate(rule.plans)
            if plan not in plans
        ]
    return found
