"""Which of several that answer alike is asked first: here, then other sites by price, load and weight."""

from __future__ import annotations

import pytest

from cluster.spec import Fleet
from router.decide.facts import Load
from router.decide.order import Order

FLEET = Fleet.model_validate(
    {
        "name": "ber",
        "models": {"s": {"engine": "url", "url": "http://x"}},
        "tiers": {"small": ["s"]},
        "sites": {
            "fra": {"url": "http://f", "weight": 2},
            "iad": {"url": "http://i"},
            "dear": {"url": "http://d", "egress": "outside", "price": {"prompt": 1, "completion": 2}},
            "cheap": {"url": "http://c", "egress": "outside", "price": {"prompt": 1, "completion": 1}},
        },
        "spillover": {"open_usd_per_day": 1},
    }
).spread()
FIRST = ["s", "s@fra", "s@iad", "s@cheap", "s@dear"]
DOWN = Load(available=False)


def ordered(loads: dict[str, Load], busy: frozenset[str] = frozenset()) -> list[str]:
    """All five, the first to be asked first."""
    order = Order(FLEET)
    return sorted(FIRST, key=lambda name: order.rank(name, loads.get(name, Load()), busy=name in busy))


@pytest.mark.parametrize(
    ("loads", "busy", "expected"),
    [
        ({}, frozenset(), FIRST),
        ({"s": DOWN}, frozenset(), [*FIRST[1:], "s"]),
        ({}, frozenset({"s"}), [*FIRST[1:], "s"]),
        ({"s": DOWN}, frozenset({"s@fra"}), ["s@iad", "s@cheap", "s@dear", "s@fra", "s"]),
        ({"s@fra": Load(in_flight=1)}, frozenset(), FIRST),
        ({"s@fra": Load(in_flight=2)}, frozenset(), ["s", "s@iad", "s@fra", "s@cheap", "s@dear"]),
        ({"s@fra": Load(ttft_s=0.5)}, frozenset(), ["s", "s@iad", "s@fra", "s@cheap", "s@dear"]),
        ({"s@cheap": Load(ttft_s=0.5)}, frozenset(), FIRST),
        ({"s": Load(in_flight=9)}, frozenset(), FIRST),
    ],
    ids=[
        "all well",
        "here down",
        "here saturated",
        "down beats saturated",
        "weight",
        "load over weight",
        "slow over weight",
        "price over load",
        "here whatever its load",
    ],
)
def test_who_is_asked_first(loads: dict[str, Load], busy: frozenset[str], expected: list[str]) -> None:
    """Who answers, then who is free, then who is here; among other sites the cheapest, then the least loaded."""
    assert ordered(loads, busy) == expected


def test_shares_follow_weights() -> None:
    """Of requests that stay, a site of weight 2 holds twice as many as one of weight 1."""
    order = Order(FLEET)
    held = {"s@fra": 0, "s@iad": 0}
    for _ in range(30):
        chosen = min(held, key=lambda name: order.rank(name, Load(in_flight=held[name]), busy=False))
        held[chosen] += 1
    assert held == {"s@fra": 20, "s@iad": 10}


def test_twins_are_the_same_model_elsewhere() -> None:
    """By name; a twin has none of its own."""
    order = Order(FLEET)
    assert order.twins("s") == ("s@fra", "s@iad", "s@dear", "s@cheap")
    assert order.twins("s@fra") == ()
