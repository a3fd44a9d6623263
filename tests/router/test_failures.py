"""When the same model is asked once more."""

from __future__ import annotations

import pytest

from router.backends.errors import (
    ConnectError,
    CutError,
    DeadlineError,
    StaleError,
    StatusError,
    UnfitError,
    UpstreamError,
)
from router.failures import worth_another_replica


@pytest.mark.parametrize(
    ("error", "with_others", "alone"),
    [
        pytest.param(CutError(), True, True, id="a replica died"),
        pytest.param(StaleError(), True, True, id="a connection died"),
        pytest.param(ConnectError(), False, True, id="one of several behind an address is gone"),
        pytest.param(DeadlineError("first_token", 5), False, True, id="late"),
        pytest.param(StatusError(500), True, True, id="it failed"),
        pytest.param(StatusError(429, 1), False, False, id="it is busy"),
        pytest.param(UnfitError("no images", "messages"), False, False, id="it cannot"),
    ],
)
def test_the_same_model_is_asked_once_more_where_a_replica_may_do_better(
    error: UpstreamError, with_others: bool, alone: bool
) -> None:
    """What would take as long again is left to others, where there are some."""
    assert worth_another_replica(error, others=True) is with_others
    assert worth_another_replica(error, others=False) is alone
