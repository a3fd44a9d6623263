"""Cost against quality as one SVG: what each share of prompts to the strong model brings."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from router.learn.metrics import quality_curve

Floats = NDArray[np.float64]

_WIDE, _HIGH, _EDGE, _POINTS = 640, 420, 60, 101


def curve(scores: Floats, weak: Floats, strong: Floats, title: str) -> str:
    """The router's curve, and the straight line of sending prompts at random."""
    quality = quality_curve(scores, weak, strong)
    shares = np.linspace(0, 1, _POINTS)
    values = np.interp(shares, np.linspace(0, 1, len(quality)), quality)
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + 1

    def place(share: float, value: float) -> str:
        x = _EDGE + share * (_WIDE - 2 * _EDGE)
        y = _HIGH - _EDGE - (value - low) / (high - low) * (_HIGH - 2 * _EDGE)
        return f"{x:.1f},{y:.1f}"

    points = " ".join(place(float(share), float(value)) for share, value in zip(shares, values, strict=True))
    random = f"{place(0, float(weak.mean()))} {place(1, float(strong.mean()))}"
    left, bottom = _EDGE, _HIGH - _EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif">'
        f'<rect width="{_WIDE}" height="{_HIGH}" fill="white"/>'
        f'<text x="{left}" y="30" font-size="15">{escape(title)}</text>'
        f'<path d="M{left} {_EDGE}V{bottom}H{_WIDE - _EDGE}" fill="none" stroke="black"/>'
        f'<polyline points="{random}" fill="none" stroke="gray" stroke-dasharray="5"/>'
        f'<polyline points="{points}" fill="none" stroke="#0a5" stroke-width="2"/>'
        f'<text x="{left - 50}" y="{_EDGE}">{high:.3f}</text><text x="{left - 50}" y="{bottom}">{low:.3f}</text>'
        f'<text x="{left}" y="{bottom + 20}">0 %</text><text x="{_WIDE - _EDGE - 40}" y="{bottom + 20}">100 %</text>'
        f'<text x="{_WIDE / 2 - 110}" y="{bottom + 40}">share of prompts to the strong model (quality above)</text>'
        "</svg>\n"
    )
