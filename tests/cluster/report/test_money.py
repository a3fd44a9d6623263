"""Money is exact until it is printed, and then to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cluster.report.money import exact, in_cents, usd_of


@pytest.mark.parametrize(
    ("micros", "printed"),
    [
        (0, "$0.00"),
        (4_999, "$0.00"),
        (5_000, "$0.00"),
        (5_001, "$0.01"),
        (15_000, "$0.02"),
        (1_234_565_000, "$1,234.56"),
        (-2_500_000, "-$2.50"),
        (-1, "$0.00"),
        (9_007_199_254_740_993_000_000, "$9,007,199,254,740,993.00"),
    ],
    ids=[
        "nothing",
        "below",
        "half to even",
        "above",
        "half to even, up",
        "thousands",
        "negative",
        "dust",
        "past 2**53",
    ],
)
def test_millionths_are_printed_in_cents(micros: int, printed: str) -> None:
    """Half to even, with thousands apart, however large."""
    assert in_cents(usd_of(micros)) == printed


def test_what_is_unknown_is_no_number() -> None:
    """It reads so."""
    assert in_cents(None) == "unknown"


def test_a_price_is_taken_as_it_is_written() -> None:
    """Not as the nearest binary fraction."""
    assert exact(2.95) * 3 == Decimal("8.85")
