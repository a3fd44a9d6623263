"""Bursts: when replicas are held for them, and how many."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cluster.autoscale import Observed
from cluster.autoscale.bursts import BIN_S, Bursts
from cluster.autoscale.capacity import Capacity

LATE = ((0.0, 0.0), (0.5, 0.001), (1.0, 0.01), (1.5, 0.2))
CAPACITY = Capacity(1e-4, 1e-3, request_s=0.3, mean_output=200, mean_prompt=1000, late=LATE)
DAY = 8640

Counts = Callable[[int], float]


def fed(counts: Counts, bins: int, *, first: int = 0, into: Bursts | None = None, output: float = 200) -> Bursts:
    """Bins with so many requests each, of 1,000 tokens in."""
    bursts = into or Bursts(CAPACITY, 0.01)
    for number in range(first, first + bins):
        came = counts(number)
        seen = Observed(
            now_s=number * BIN_S,
            ready=1,
            starting=0,
            arrived=came,
            prompt_tokens=1000 * came,
            ended=came,
            late=0,
            output_tokens=output * came,
            in_flight=1,
            waiting=0,
            kv_share=0,
        )
        bursts.add(seen, BIN_S, 1.0)
    return bursts


def in_bursts(number: int) -> float:
    """200 requests in one bin of six, 2 in the others."""
    return 200 if number % 6 == 0 else 2


def by_chance(mean: float) -> Counts:
    """As many as chance has it."""
    draws = np.random.default_rng(1).poisson(mean, 2000)
    return lambda number: float(draws[number])


@pytest.mark.parametrize("mean", [0.05, 3, 80], ids=["rare", "few", "many"])
def test_chance_is_no_burst(mean: float) -> None:
    """However rare requests are: such load is followed."""
    bursts = fed(by_chance(mean), 2000)
    assert (bursts.share, bursts.held) == (0, 0)


def test_what_stands_by_is_for_the_bursts() -> None:
    """A burst of 20 a second is 6 replicas' load; a mean of 3.5 a second would be 1."""
    bursts = fed(in_bursts, 1000)
    assert bursts.share == 1
    assert bursts.held == 6


def test_a_step_is_no_burst() -> None:
    """Load that goes up at once, or down, and stays is followed."""
    draw = by_chance(20)
    bursts = fed(lambda number: draw(number) * (5 if number > 620 else 1), 700)
    assert bursts.share == 0


def test_silence_has_no_bursts() -> None:
    """After two hours without a request nothing is held."""
    bursts = fed(lambda _: 0, 800, first=1000, into=fed(in_bursts, 1000))
    assert (bursts.share, bursts.held) == (0, 0)


def test_yesterday_tells_what_to_hold() -> None:
    """The same two hours of small bursts: after a day when larger ones followed, more stands by."""
    small: Counts = lambda number: 0.25 * in_bursts(number)  # noqa: E731
    today = fed(small, 720)
    day = fed(in_bursts, DAY - 720, first=720, into=fed(small, 720))
    day_later = fed(small, 718, first=DAY, into=day)
    assert day_later.held > today.held


def test_short_answers_to_long_prompts_weigh_more() -> None:
    """With a mix that is dearer by the model of capacity, more stands by for as many requests."""
    mixes = ((5.0, 1e-4, 1e-3), (50.0, 2e-4, 2e-2))
    dear = Bursts(Capacity(1e-4, 1e-3, 0.3, 200, 1000, mixes, LATE), 0.01)
    assert fed(in_bursts, 1000, into=dear, output=20).held > fed(in_bursts, 1000, output=20).held


def test_without_promises_load_is_followed() -> None:
    """Nothing can be late."""
    bursts = fed(in_bursts, 1000, into=Bursts(Capacity(1e-4, 1e-3, 0.3, 200), 0.01))
    assert (bursts.share, bursts.held) == (0, 0)
