"""The breaker on a clock that only the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.backends.breaker import FAILURES, FIRST_PAUSE_S, LONGEST_PAUSE_S, Breaker


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        """It begins somewhere, as monotonic clocks do."""
        self.now = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_a_few_failures_are_nothing() -> None:
    """Fewer failures than it takes, or ones that are not in a row, leave the target available."""
    breaker = Breaker(Clock())
    for _ in range(5):
        for _ in range(FAILURES - 1):
            breaker.failed()
        assert breaker.available
        breaker.succeeded()


def test_it_pauses_longer_each_time() -> None:
    """Each further failure after a pause doubles the next pause, up to the longest."""
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        breaker.failed()
    pause = FIRST_PAUSE_S
    for _ in range(10):
        seen = []
        for part in (0, 0.99, 0.02):
            clock.now += pause * part
            seen.append(breaker.available)
        assert seen == [False, False, True]
        breaker.failed()
        pause = min(2 * pause, LONGEST_PAUSE_S)


def test_one_request_finds_out() -> None:
    """After a pause the first to try goes alone; the others wait for its outcome, or for the next pause to pass."""
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        breaker.failed()
    clock.now += FIRST_PAUSE_S
    seen = [breaker.available]
    breaker.trying()
    seen.append(breaker.available)
    clock.now += 2 * FIRST_PAUSE_S  # the one that tried was never heard of again
    seen.append(breaker.available)
    breaker.trying()
    breaker.succeeded()
    seen.append(breaker.available)
    assert seen == [True, False, True, True]


def test_failures_of_one_moment_are_one() -> None:
    """A hundred requests that fail together do not lengthen the pause a hundred times."""
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(100):
        breaker.failed()
    clock.now += FIRST_PAUSE_S
    assert breaker.available


def test_a_success_forgets_everything() -> None:
    """After a success the next pause is as short as the first."""
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(3 * FAILURES):
        breaker.failed()
        clock.now += LONGEST_PAUSE_S
    breaker.succeeded()
    for _ in range(FAILURES):
        breaker.failed()
    clock.now += FIRST_PAUSE_S
    assert breaker.available


@given(st.lists(st.sampled_from(("failed", "succeeded", 0.5, 5.0, 40.0)), max_size=60))
def test_it_never_stays_down(story: list[str | float]) -> None:
    """Whatever has happened, the target is available after a success, and after the longest pause."""
    clock = Clock()
    breaker = Breaker(clock)
    for step in story:
        if isinstance(step, float):
            clock.now += step
        else:
            getattr(breaker, step)()
            assert step == "failed" or breaker.available
    clock.now += LONGEST_PAUSE_S
    assert breaker.available


@pytest.mark.parametrize("count", [FAILURES, FAILURES + 1], ids=str)
def test_it_goes_down_at_the_threshold(count: int) -> None:
    """So many failures in a row are enough."""
    breaker = Breaker(Clock())
    for _ in range(count):
        breaker.failed()
    assert not breaker.available
