"""Money in decimals: the ledger's whole millionths in, dollars and cents out. No float ever holds an amount.

Each amount that is printed is rounded by itself, half to even, so a column may differ from its printed total by a cent
for each row; the total is rounded from the exact sum.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

MICROS: Final = Decimal(1_000_000)
CENT: Final = Decimal("0.01")
UNKNOWN: Final = "unknown"


def usd_of(micros: int) -> Decimal:
    """Dollars, exactly."""
    return Decimal(micros) / MICROS


def exact(figure: float) -> Decimal:
    """A price as it is written; 2.95 is 2.95, not the binary fraction next to it."""
    return Decimal(repr(figure))


def in_cents(usd: Decimal | None) -> str:
    """Such as ``$1,234.56``; a cent is the least that is shown."""
    if usd is None:
        return UNKNOWN
    rounded = rounded_to_cents(usd)
    return f"-${-rounded:,.2f}" if rounded < 0 else f"${abs(rounded):,.2f}"


def rounded_to_cents(usd: Decimal) -> Decimal:
    """To the cent, half to even."""
    return usd.quantize(CENT, ROUND_HALF_EVEN)
