"""Tiers, and the first honest policy behind ``model: auto``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cluster.spec.base import Name, Noun


class Tiers(Noun):
    """Which models stand for a tier, the preferred one first; the others are its alternatives."""

    small: tuple[Name, ...] = ()
    """Answer most requests: cheap and fast."""
    large: tuple[Name, ...] = ()
    """Answer what is too long or too hard for ``small``."""
    embedding: tuple[Name, ...] = ()
    """Embed texts; only models with the capability ``embeddings``."""


class Routing(Noun):
    """How ``model: auto`` chooses a tier."""

    small_up_to_tokens: Annotated[int, Field(ge=0, le=100_000_000)] = 1000
    """Conversations of up to so many estimated prompt tokens go to ``small``, longer ones to ``large``, while no router
    has been trained on your own traffic; length is as good a predictor of difficulty as routers trained on other
    people's traffic, and is known in microseconds."""
    large_share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of ``model: auto`` that goes to ``large`` once a router trained on your own labels is promoted
    (``freehold router promote``): those with the highest expected gain, whatever the traffic's mix."""
    busy_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """When a tier has so many requests in flight per replica and the other tier that is able has fewer, the other
    one answers."""
