"""The budget of retries, counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.backends.errors import ConnectError, CutError, DeadlineError, StatusError, UpstreamError
from router.backends.retries import MOST, RESERVE, SHARE, Retries


@given(requests=st.integers(0, 3000))
def test_an_outage_costs_its_share_and_no_more(requests: int) -> None:
    """However long everything fails, what is tried again stays within the share and the reserve."""
    retries = Retries()
    granted = 0
    for _ in range(requests):
        retries.earn()
        granted += sum(retries.spend(StatusError(503)) for _ in range(3))
    assert granted <= RESERVE + SHARE * requests
    assert granted >= min(3 * requests, RESERVE + SHARE * requests - 1)


def test_quiet_times_save_up_only_so_much() -> None:
    """After any number of requests that went well, a burst of failures gets ``MOST`` retries."""
    retries = Retries()
    for _ in range(100_000):
        retries.earn()
    assert sum(retries.spend(DeadlineError("first_token", 1)) for _ in range(1000)) == MOST


@pytest.mark.parametrize("error", [ConnectError(), CutError(), StatusError(429)])
def test_what_adds_no_load_is_free(error: UpstreamError) -> None:
    """A replica that dies with a thousand requests: all of them may go to another."""
    retries = Retries()
    assert all(retries.spend(error) for _ in range(1000))
