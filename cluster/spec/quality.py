"""How good the fleet's own answers are: some are asked of a better model too, and compared in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from cluster.spec.base import FieldPath, Name, Noun
from cluster.spec.models import Capability, Model
from cluster.spec.tenants import Usd

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Quality(Noun):
    """Needs ``tenants.access: keys``, whose database keeps the outcomes. docs/quality.md tells what leaves."""

    sample: Share = 0.1
    """Share of the chat answers of local models that are compared. 0 turns it off; without a reference that may be
    asked, it is off anyway."""
    references: tuple[Name, ...] = ()
    """Models that are asked the same, each for answers of the tiers below its own: a model of ``large`` for those of
    ``small``, a hosted model for both. Empty: the first of ``spillover.chain``. Those with a price are asked only where
    the caller's plan and request let it leave the site, and within ``usd_per_day``."""
    judge: Name | None = None
    """The model that says which of two answers is better: neither is named to it, and it is asked in both orders. One
    with a price is bound like a reference. Not set: only answers that can be compared exactly (an option's letter, a
    number, JSON) become labels, and where they differ the reference is taken to be right."""
    usd_per_day: Usd = 0
    """Money for references and judge on one day, UTC, of all tenants together; it counts to ``tenants.budget`` too and
    to no tenant's. 0: no model with a price is asked."""
    in_flight: Annotated[int, Field(ge=1, le=1000)] = 2
    """Comparisons that one gateway worker has under way at once."""
    queue: Annotated[int, Field(ge=0, le=100_000)] = 64
    """Answers that may wait to be compared; further ones are not, and nobody waits for them."""
    below_in_flight: Annotated[int, Field(ge=1, le=1_000_000)] = 8
    """A model is asked only while it has fewer requests under way, and none that waits."""
    keep_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """How long a sampled prompt is kept, encrypted, for the router to be trained on; only of tenants whose plan has
    ``keep_samples``."""
    retrain: Literal["nightly", "never"] = "nightly"
    """``nightly``: once a night, after 3 o'clock UTC, one gateway trains a router on the labels of this database, at
    low priority in a process of its own; it is promoted only where it is clearly better than the one in use."""
    max_move: Share = 0.05
    """The share of ``large`` that follows from ``routing.quality`` may change by so much at a promotion."""


def unasked(spec: Quality, models: Mapping[str, Model]) -> list[tuple[FieldPath, str]]:
    """References and a judge that cannot be asked, as pairs of a path and what is wrong there."""
    named: list[tuple[FieldPath, str]] = [(("references", at), name) for at, name in enumerate(spec.references)]
    if spec.judge is not None:
        named.append((("judge",), spec.judge))
    found: list[tuple[FieldPath, str]] = []
    for path, name in named:
        if name not in models:
            found.append((("quality", *path), f"no model {name!r} in this file"))
        elif Capability.CHAT not in models[name].capabilities:
            found.append((("quality", *path), f"{name!r} does not chat; name one that does"))
    return found
