"""How long the next request would wait, in a clock's own seconds."""

from __future__ import annotations

import pytest

from router.backends.forecast import HALF_LIFE_S, Forecast


class Clock:
    """Seconds that a test sets."""

    now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_nothing_known_is_no_wait() -> None:
    """Neither a first token nor a queue was seen."""
    assert Forecast(Clock()).ttft_s(5, free=False) == 0


def test_what_was_heard_is_expected_and_fades() -> None:
    """The newest counts most; a target that nobody asks is given another chance."""
    clock = Clock()
    forecast = Forecast(clock)
    for seconds in (1.0, 2.0):
        forecast.heard(seconds)
    assert forecast.ttft_s(0, free=True) == pytest.approx(1.2)
    clock.now += HALF_LIFE_S
    assert forecast.ttft_s(0, free=True) == pytest.approx(0.6)


def test_a_queue_is_waited_for() -> None:
    """As long as its turns took, one for everybody before, and one's own; an idle time between is no turn."""
    clock = Clock()
    forecast = Forecast(clock)
    for pause in (0.0, 2.0, 2.0):
        clock.now += pause
        forecast.given()
    assert forecast.ttft_s(3, free=False) == pytest.approx(8)
    assert forecast.ttft_s(3, free=True) == 0
    forecast.idle()
    clock.now += 500
    forecast.given()
    clock.now += 2
    forecast.given()
    assert forecast.ttft_s(0, free=False) == pytest.approx(2)
