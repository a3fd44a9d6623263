"""The dial: a quality, a share or a price in the fleet file → the share of requests that goes to ``large``. Pure.

A dial that cannot be met says so, and what holds instead. Neighbours: :mod:`router.decide.scorer` keeps the share;
:mod:`router.learn.train` measured the curve on labels that the trained router had not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cluster.spec import Fleet
from router.decide.costs import Costs
from router.decide.scorer import Scorer

Curve = Sequence[float]
"""Mean quality of the answers with growing shares of ``large``, evenly from 0 to 1; the last one is its own."""


class Dial(NamedTuple):
    """How the dial stands."""

    asked: str
    """As in the fleet file: ``quality: 0.95``."""
    large_share: float
    """What is held, once a router has been promoted."""
    met: bool
    """Whether what was asked can be kept."""
    says: str
    """The same in a sentence."""


def turned(fleet: Fleet, scorer: Scorer) -> Dial:
    """Set the scorer's share by the fleet's dial; tells how that went."""
    dial = _read(fleet, scorer.curve)
    scorer.hold(dial.large_share)
    if scorer.curve is not None:
        return dial
    most = fleet.routing.small_up_to_tokens
    says = f"no router has been promoted: prompts of up to {most} tokens go to small, whatever the dial says"
    return dial._replace(met=False, says=f"{dial.asked}: {says}")


def share_for(quality: float, curve: Curve) -> float:
    """The smallest share from which on that part of the large model's quality is kept; linear between the points."""
    wanted = quality * curve[-1]
    steps = len(curve) - 1
    at = steps
    while at > 0 and curve[at - 1] >= wanted:
        at -= 1
    if at == 0:
        return 0.0
    below, above = curve[at - 1], curve[at]
    return (at - 1 + (wanted - below) / (above - below)) / steps


def _read(fleet: Fleet, curve: Curve | None) -> Dial:
    routing = fleet.routing
    if routing.quality is not None:
        asked = f"quality: {routing.quality:g}"
        if not curve:
            return _instead(fleet, asked, "the promoted router has no curve of quality by share; train it again")
        share = share_for(routing.quality, curve)
        return Dial(asked, share, met=True, says=f"{asked}: kept with {share:.1%} of requests at large")
    if routing.usd_per_1k_requests is not None:
        return _by_cost(fleet, routing.usd_per_1k_requests)
    asked = f"large_share: {routing.large_share:g}"
    return Dial(asked, routing.large_share, met=True, says=f"{asked}: held over the latest requests")


def _by_cost(fleet: Fleet, usd: float) -> Dial:
    """What is left over small's cost pays for the difference to large."""
    asked = f"usd_per_1k_requests: {usd:g}"
    costs = Costs(fleet)
    small, large = costs.usual(fleet.tiers.small), costs.usual(fleet.tiers.large)
    if small is None or large is None:
        lacking = "small" if small is None else "large"
        return _instead(fleet, asked, f"no model of tier {lacking} has a price or an own_cost")
    if small >= large:
        return Dial(asked, 1.0, met=1000 * large <= usd, says=f"{asked}: large costs no more than small; all go there")
    share = min(1.0, max(0.0, (usd / 1000 - small) / (large - small)))
    if usd / 1000 < small:
        says = f"{asked}: small alone costs {1000 * small:.3g} for 1000 usual requests; none go to large"
        return Dial(asked, 0.0, met=False, says=says)
    return Dial(asked, share, met=True, says=f"{asked}: pays for {share:.1%} of requests at large")


def _instead(fleet: Fleet, asked: str, why: str) -> Dial:
    share = fleet.routing.large_share
    return Dial(asked, share, met=False, says=f"{asked}: {why}; large_share {share:g} is held instead")
