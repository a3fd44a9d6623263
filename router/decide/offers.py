"""What a site tells others of its models: who is able and free here, by its own measures. Pure.

Neighbours: :mod:`router.api` answers ``GET /v1/site`` with it, :mod:`router.backends.site` asks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from typing_extensions import TypedDict

from cluster.spec import AUTO, Fleet
from router.decide.facts import Load


class Offer(TypedDict):
    """Of one model, or of one tier."""

    available: bool
    """Whether it is expected to answer."""
    free: bool
    """Whether it would at once, and within the site's own promises."""
    ttft_s: float
    """Seconds until its first token, as predicted; 0 where nothing is known."""


class Offers(TypedDict):
    """Of one site."""

    site: str
    models: dict[str, Offer]
    """By every name that may be asked for."""


def offers(
    fleet: Fleet, load: Callable[[str], Load], is_free: Callable[[str, Load], bool], may: Collection[str] | None
) -> Offers:
    """Of the models ``may`` that run here; a tier, or ``auto``, offers what its best one does."""
    here = [name for name, model in fleet.models.items() if not model.leaves_site and not model.site]
    known = {name: _offer(name, load(name), is_free) for name in here if may is None or name in may}
    groups = {**fleet.tiers_by_name(), AUTO: (*fleet.tiers.small, *fleet.tiers.large)}
    best = {group: _best([known[name] for name in names if name in known]) for group, names in groups.items()}
    return {"site": fleet.here, "models": known | {group: one for group, one in best.items() if one is not None}}


def _offer(name: str, now: Load, is_free: Callable[[str, Load], bool]) -> Offer:
    return {"available": now.available, "free": is_free(name, now), "ttft_s": round(now.ttft_s, 4)}


def _best(among: list[Offer]) -> Offer | None:
    return min(among, key=lambda one: (not one["available"], not one["free"], one["ttft_s"]), default=None)
