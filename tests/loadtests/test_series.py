"""Series: known answers against time and against concurrency."""

from __future__ import annotations

import pytest

from loadtests.columns import Columns
from loadtests.series import over_concurrency, over_time
from tests.loadtests.synthetic import at, failed, steadily


def test_what_happened_when() -> None:
    """Sixty seconds, sixty moments: an answer that begins in one and ends in the next but one."""
    over = over_time(Columns.of([at(10.5, ttft_s=1, tpot_s=0.1), failed(20.1), at(20.2, tier="large")]), 60)
    assert over.at_s[10] == 10.5
    assert over.ttft_p95_s[10] == pytest.approx(1)
    assert over.ttft_p95_s[11] is None
    assert over.requests_per_s[12] == 1
    assert over.output_tokens_per_s[12] == 11
    assert over.concurrency[10:13] == pytest.approx((0.5, 1, 0.5))
    assert over.failed_per_s[20] == 1
    assert (over.tiers["small"][12], over.tiers["large"][20], over.tiers["small"][30]) == (1, 1, None)


def test_a_slow_fleet_is_slow_under_load() -> None:
    """Ten alone, then ten times ten at once, which take ten times as long: two ends of the curve."""
    alone = [at(float(second), 0.1) for second in range(30)]
    together = [at(40 + 3.0 * number // 10, 1.0, 0.1) for number in range(100)]
    level = over_concurrency(Columns.of(alone + together))
    assert level.concurrency[0] == 1
    assert level.ttft_p95_s[0] == pytest.approx(0.1)
    assert level.ttft_p95_s[-1] == pytest.approx(1.0)
    assert [*level.concurrency] == sorted(value for value in level.concurrency if value is not None)
    assert sum(value for value in level.requests if value is not None) == 130


@pytest.mark.parametrize("count", [0, 1, 11, 500])
def test_every_request_has_its_level(count: int) -> None:
    """However few there are."""
    level = over_concurrency(Columns.of(steadily(count)))
    assert sum(value or 0 for value in level.requests) == count
    assert None not in level.concurrency
