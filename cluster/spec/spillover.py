"""What may leave the site when, and what staying is measured against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cluster.spec.base import FieldPath, Name, Noun
from cluster.spec.models import Model, Price

SPILLOVER = "spillover"
"""The tier of the chain's models, in headers and in the ledger."""


class Trigger(StrEnum):
    """Why a request would be sent along the chain."""

    UNABLE = "unable"
    """No local model can do what it needs: its length, its tools, its images."""
    DOWN = "down"
    """No local model answers, or each one's queue is full."""
    SLOW = "slow"
    """Every local model is expected to take longer than ``ttft_seconds`` until its first token."""
    HARD = "hard"
    """It looks harder than ``spill_above``."""


class Spillover(Noun):
    """Hosted models that stand in for the fleet. Off while ``chain`` is empty.

    They answer requests to ``auto`` or to a tier, each only within its tenant's permission (``egress``) and budget.
    """

    chain: tuple[Name, ...] = ()
    """Models with a price, tried in this order, each at most once for a request. Empty: nothing is sent anywhere
    unless a caller names such a model itself."""
    when: tuple[Trigger, ...] = (Trigger.UNABLE, Trigger.DOWN, Trigger.SLOW, Trigger.HARD)
    """What makes a request go there."""
    ttft_seconds: Annotated[float, Field(gt=0, le=3600)] | None = None
    """For ``slow``: the longest time to first token that is put up with, predicted from what was measured lately and
    from the queue. Not set: waiting is no reason."""
    spill_above: Annotated[float, Field(ge=0, le=1)] | None = None
    """For ``hard``: 0.95 sends the hardest twentieth there, by what a promoted router expects of a stronger model,
    ranked among the latest 1000 requests to ``auto``. Not set, or while no router has been promoted: difficulty is no
    reason."""
    open_usd_per_day: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] = 0
    """While ``tenants.access`` is ``open``: what may be spent on models with a price in a day of UTC, shared evenly by
    the gateway's workers and forgotten when they restart. 0: nothing may leave the site."""
    baseline: Price | None = None
    """The price list that every answer is also counted by, to tell what it would have cost there, such as Claude's."""


def loops(chain: Sequence[str], models: Mapping[str, Model], tiered: Mapping[str, str]) -> list[tuple[FieldPath, str]]:
    """Where a chain would try a target twice, or leads nowhere, as pairs of a path and what is wrong there."""
    found: list[tuple[FieldPath, str]] = []
    seen: dict[tuple[str, str], str] = {}
    for index, name in enumerate(chain):
        path: FieldPath = ("spillover", "chain", index)
        model = models.get(name)
        if model is None:
            found.append((path, f"no model {name!r} in this file"))
            continue
        place = (model.url.rstrip("/"), model.served_as or name)
        if name in chain[:index]:
            found.append((path, f"{name!r} is listed twice; a request would go in circles"))
        elif name in tiered:
            found.append((path, f"{name!r} is in tier {tiered[name]} already; it would be tried twice"))
        elif place in seen:
            found.append((path, f"{name!r} is the same target as {seen[place]!r}; it would be tried twice"))
        elif not model.is_outside:
            found.append((path, f"{name!r} has no price; list it in a tier, or set its price"))
        seen.setdefault(place, name)
    return found
