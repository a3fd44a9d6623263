"""What a section is made of: sentences, tables, plots; and how a share is printed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cluster.drawing import Floats

_FINE: Final = 0.99
"""From here on a hundredth of a percent is told: promises are made there."""
_NEARLY: Final = 0.99995


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are text, whatever they hold."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    """So many columns, the first ones, are words; the others are figures."""


@dataclass(frozen=True, slots=True)
class Curves:
    """A plot of lines; markdown has none."""

    title: str
    across: Floats
    curves: Mapping[str, Floats]
    axis: str
    names: tuple[str, ...]
    """Evenly apart below it."""


@dataclass(frozen=True, slots=True)
class Bars:
    """A plot of bars; markdown has none."""

    title: str
    values: Mapping[str, float]
    axis: str


Part = str | Table | Curves | Bars


def percent(share: float | None) -> str:
    """With one decimal, or two near the top; a share that is not all of it never reads as 100 %."""
    if share is None:
        return "unknown"
    if _NEARLY <= share < 1:
        return "> 99.99 %"
    return f"{100 * share:.{2 if _FINE < share < 1 else 1}f} %"
