"""The dial: what it makes of a quality, a share or a price, and what it says where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.spec import Fleet
from router.decide.dial import share_for, turned
from router.decide.scorer import ByLength

CURVE = (0.5, 0.7, 0.8, 0.78, 0.8)
"""Quality with 0, 25, 50, 75 and 100 % at large."""
COSTS = {"s": {"prompt": 0.1, "completion": 0.4}, "l": {"prompt": 1, "completion": 4}}


class Learnt(ByLength):
    """A scorer that holds what it is told to."""

    def __init__(self, curve: Sequence[float] | None) -> None:
        """With this curve in its card."""
        self.curve = curve
        self.share = -1.0

    def hold(self, share: float) -> None:
        """Remember it."""
        self.share = share


def fleet(routing: dict[str, Any], costs: dict[str, Any]) -> Fleet:
    """Two models, a thousand tokens in and a hundred out."""
    lengths = {"prompt_tokens": {"p50": 1000, "p95": 1000}, "output_tokens": {"p50": 100, "p95": 100}}
    models = {
        name: {"engine": "url", "url": "http://x", **({"own_cost": costs[name]} if name in costs else {})}
        for name in ("s", "l")
    }
    tiers = {"small": ["s"], "large": ["l"]}
    return Fleet.model_validate({"name": "f", "models": models, "tiers": tiers, "routing": routing, "traffic": lengths})


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], Sequence[float] | None, float, bool, str]] = {
    "share": ({"large_share": 0.3}, {}, CURVE, 0.3, True, "large_share: 0.3"),
    "default": ({}, {}, CURVE, 0.2, True, "held over the latest"),
    "quality": ({"quality": 0.875}, {}, CURVE, 0.25, True, "kept with 25.0%"),
    "quality-between": ({"quality": 0.9375}, {}, CURVE, 0.375, True, "kept with 37.5%"),
    "quality-of-small": ({"quality": 0.6}, {}, CURVE, 0.0, True, "kept with 0.0%"),
    "quality-despite-a-dip": ({"quality": 0.99}, {}, CURVE, 0.9, True, "kept with 90.0%"),
    "all-of-it": ({"quality": 1.0}, {}, CURVE, 1.0, True, "kept with 100.0%"),
    "no-curve": ({"quality": 0.9}, {}, (), 0.2, False, "train it again; large_share 0.2 is held instead"),
    "no-router": ({"quality": 0.9}, {}, None, 0.2, False, "no router has been promoted"),
    "price": ({"usd_per_1k_requests": 0.77}, COSTS, CURVE, 0.5, True, "pays for 50.0%"),
    "price-for-all": ({"usd_per_1k_requests": 9}, COSTS, CURVE, 1.0, True, "pays for 100.0%"),
    "price-too-low": ({"usd_per_1k_requests": 0.1}, COSTS, CURVE, 0.0, False, "small alone costs 0.14"),
    "price-unknown": ({"usd_per_1k_requests": 1}, {"s": COSTS["s"]}, CURVE, 0.2, False, "no model of tier large"),
    "price-turned-round": (
        {"usd_per_1k_requests": 1},
        {"s": COSTS["l"], "l": COSTS["s"]},
        CURVE,
        1.0,
        True,
        "large costs no more",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_dial(case: tuple[dict[str, Any], dict[str, Any], Sequence[float] | None, float, bool, str]) -> None:
    """The scorer holds the share, and the dial says why it is that one."""
    routing, costs, curve, share, met, says = case
    scorer = Learnt(curve)
    dial = turned(fleet(routing, costs), scorer)
    assert scorer.share == dial.large_share == pytest.approx(share)
    assert dial.met is met
    assert says in dial.says


@given(st.floats(0, 1), st.lists(st.floats(0.01, 1), min_size=2, max_size=30))
def test_what_the_share_promises_is_kept(quality: float, curve: list[float]) -> None:
    """On the curve, from there on, so much of the large model's quality is kept."""
    share = share_for(quality, curve)
    assert 0 <= share <= 1
    steps = len(curve) - 1
    kept = [value for at, value in enumerate(curve) if at / steps >= share]
    assert min(kept) >= quality * curve[-1] - 1e-9
