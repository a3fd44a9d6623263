"""What a site tells others of its models."""

from __future__ import annotations

import pytest

from cluster.spec import Fleet
from router.decide.facts import Load
from router.decide.offers import offers

FLEET = Fleet.model_validate(
    {
        "name": "ber",
        "models": {
            **{name: {"engine": "url", "url": "http://x"} for name in ("s", "t", "l")},
            "big": {"engine": "freehold", "site": "fra"},
            "far": {"engine": "url", "url": "http://y", "egress": "same-owner"},
        },
        "tiers": {"small": ["s", "t"], "large": ["big", "l"]},
        "sites": {"fra": {"url": "http://f"}},
    }
).spread()
LOADS = {"s": Load(available=False), "t": Load(ttft_s=0.25), "l": Load(in_flight=9)}
DOWN = {"available": False, "free": False, "ttft_s": 0.0}
WELL = {"available": True, "free": True, "ttft_s": 0.25}
BUSY = {"available": True, "free": False, "ttft_s": 0.0}


def is_free(_: str, now: Load) -> bool:
    """Well, and with nothing under way."""
    return now.available and not now.in_flight


@pytest.mark.parametrize(
    ("may", "expected"),
    [
        (None, {"s": DOWN, "t": WELL, "l": BUSY, "small": WELL, "large": BUSY, "auto": WELL}),
        ({"l", "big"}, {"l": BUSY, "large": BUSY, "auto": BUSY}),
        (set[str](), {}),
    ],
    ids=["all", "some", "none"],
)
def test_what_is_here_is_offered(may: set[str] | None, expected: dict[str, object]) -> None:
    """No model of another site, for it would be asked through two gateways; a tier is as well as its best one."""
    assert offers(FLEET, lambda name: LOADS.get(name, Load()), is_free, may) == {"site": "ber", "models": expected}
