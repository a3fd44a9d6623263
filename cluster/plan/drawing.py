"""Plots as SVG text, without a library: lines over an axis, and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np

from cluster.demand.lengths import Floats

COLOURS: Final = ("#0a7d4f", "#2563c9", "#b4540a", "#7a3db8", "#808080")
_WIDE, _HIGH, _LEFT, _EDGE, _TOP = 680, 300, 70, 40, 54
_LEGEND: Final = 150
"""Width of one curve's name."""
_TICKS: Final = 5


def lines(title: str, across: Floats, curves: Mapping[str, Floats], axis: str, names: Sequence[str] = ()) -> str:
    """Curves over ``across``, from 0 up; ``names`` are evenly apart below the axis in place of numbers."""
    top = max((float(np.nanmax(curve)) for curve in curves.values() if len(curve)), default=1.0) or 1.0
    low, high = float(across[0]), float(across[-1])
    wide, tall = _WIDE - _LEFT - _EDGE, _HIGH - _EDGE - _TOP

    def place(x: float, y: float) -> str:
        return f"{_LEFT + (x - low) / ((high - low) or 1) * wide:.1f},{_HIGH - _EDGE - min(1.0, y / top) * tall:.1f}"

    parts = [_axes(title, axis, top)]
    labels = names or [f"{low + (high - low) * part / _TICKS:.3g}" for part in range(_TICKS + 1)]
    for number, label in enumerate(labels):
        x = _LEFT + wide * (number + (0.5 if names else 0)) / (len(labels) if names else _TICKS)
        parts.append(f'<text x="{x:.0f}" y="{_HIGH - _EDGE + 16}" text-anchor="middle">{escape(label)}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        points = " ".join(place(float(x), float(y)) for x, y in zip(across, curve, strict=True) if np.isfinite(y))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{_LEFT + _LEGEND * number}" y="38" fill="{colour}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def bars(title: str, values: Mapping[str, float], axis: str) -> str:
    """One bar a name, from 0 up, its value above it."""
    top = max(values.values(), default=1.0) or 1.0
    wide, tall = (_WIDE - _LEFT - _EDGE) / max(1, len(values)), _HIGH - _EDGE - _TOP
    parts = [_axes(title, axis, top)]
    for number, (name, value) in enumerate(values.items()):
        x, high = _LEFT + wide * number, value / top * tall
        parts.append(
            f'<rect x="{x + wide * 0.2:.1f}" y="{_HIGH - _EDGE - high:.1f}" width="{wide * 0.6:.1f}" '
            f'height="{high:.1f}" fill="{COLOURS[0]}"/>'
            f'<text x="{x + wide / 2:.1f}" y="{_HIGH - _EDGE - high - 4:.1f}" text-anchor="middle">{value:,.0f}</text>'
            f'<text x="{x + wide / 2:.1f}" y="{_HIGH - _EDGE + 16}" text-anchor="middle">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _axes(title: str, axis: str, top: float) -> str:
    bottom = _HIGH - _EDGE
    ticks = "".join(
        f'<text x="{_LEFT - 6}" y="{bottom - (bottom - _TOP) * part / _TICKS + 4:.0f}" text-anchor="end">'
        f"{top * part / _TICKS:,.3g}</text>"
        for part in range(_TICKS + 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif" '
        f'font-size="11" role="img" aria-label="{escape(title)}"><rect width="{_WIDE}" height="{_HIGH}" fill="white"/>'
        f'<text x="{_LEFT}" y="18" font-size="14">{escape(title)}</text>'
        f'<text x="{_WIDE - _EDGE}" y="18" text-anchor="end">{escape(axis)}</text>'
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDE - _EDGE}" fill="none" stroke="black"/>{ticks}'
    )
