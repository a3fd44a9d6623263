"""Pages that need nothing from elsewhere: one HTML frame, tables, and plots as SVG text, in light and dark.

Whatever a name holds, it comes out as text. Who reads a page without colours has the legend's order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LIGHT: Final = ("#0a7d4f", "#2563c9", "#b4540a", "#7a3db8", "#707070", "#b3261e")
_DARK: Final = ("#4ccf94", "#7fb0ff", "#f0a060", "#c39bf0", "#a8a8a8", "#ff8a80")
_WIDE, _HIGH, _LEFT, _EDGE, _TOP = 680, 300, 70, 40, 54
_LEGEND: Final = 150
"""Width of one curve's name."""
_TICKS: Final = 5
_WHOLE: Final = 100
"""Bars that reach so high have whole numbers above them."""
_ROUND: Final = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


def _palette(colours: Sequence[str]) -> str:
    return "".join(f"--c{number}:{colour};" for number, colour in enumerate(colours))


_STYLE: Final = (
    f":root{{color-scheme:light dark;--ink:#222;--paper:#fff;--rule:#ddd;{_palette(_LIGHT)}}}"
    f"@media(prefers-color-scheme:dark){{:root{{--ink:#e6e6e6;--paper:#161616;--rule:#444;{_palette(_DARK)}}}}}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;"
    "color:var(--ink);background:var(--paper)}"
    "table{border-collapse:collapse;margin:1em 0}"
    "th,td{padding:.2em .8em;border-bottom:1px solid var(--rule);text-align:right}td{white-space:nowrap}"
    ".words{text-align:left;white-space:normal;overflow-wrap:break-word;max-width:24em}"
    "@page{size:A4;margin:18mm}"
    f"@media print{{:root{{color-scheme:light;--ink:#000;--paper:#fff;--rule:#bbb;{_palette(_LIGHT)}}}"
    "body{margin:0;max-width:none}tr,svg{break-inside:avoid}h2{break-after:avoid}}"
    "svg{width:100%;max-width:680px;display:block;margin:1em 0;fill:var(--ink)}"
)


def document(title: str, body: Iterable[str]) -> str:
    """A whole file; ``body`` is HTML. It may load nothing and run nothing, whatever stands in it."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n<h1>{escape(title)}</h1>\n{''.join(body)}\n</body></html>\n"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]], words: int = 1) -> str:
    """Cells are text, not HTML; the first ``words`` columns are words, the others figures."""
    names = "".join(_cell("th", name, words=number < words) for number, name in enumerate(head))
    body = ("".join(_cell("td", cell, words=number < words) for number, cell in enumerate(row)) for row in rows)
    return f"<table><tr>{names}</tr>{''.join(f'<tr>{cells}</tr>' for cells in body)}</table>"


def _cell(tag: str, text: str, *, words: bool) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    side = ' class="words"' if words else ""
    return f"<{tag}{scope}{side}>{escape(text)}</{tag}>"


def lines(title: str, across: Floats, curves: Mapping[str, Floats], axis: str, names: Sequence[str] = ()) -> str:
    """Curves over ``across``, from 0 up, with gaps where they are NaN; ``names`` stand below in place of numbers."""
    finite = [curve[np.isfinite(curve)] for curve in curves.values()]
    top = _rounded(max((float(values.max()) for values in finite if len(values)), default=0.0))
    low, high = (float(across[0]), float(across[-1])) if len(across) else (0.0, 1.0)
    wide, tall = _WIDE - _LEFT - _EDGE, _HIGH - _EDGE - _TOP
    x = _LEFT + (across - low) / ((high - low) or 1) * wide
    parts = [_axes(title, axis, top)]
    labels = names or [f"{low + (high - low) * part / _TICKS:.3g}" for part in range(_TICKS + 1)]
    for number, label in enumerate(labels):
        place = _LEFT + wide * (number + (0.5 if names else 0)) / (len(labels) if names else _TICKS)
        parts.append(f'<text x="{place:.0f}" y="{_HIGH - _EDGE + 16}" text-anchor="middle">{escape(label)}</text>')
    for number, (name, curve) in enumerate(curves.items()):
        y = _HIGH - _EDGE - curve / top * tall
        parts.append(
            f'<path d="{_path(x, y)}" fill="none" stroke-width="2" stroke-linecap="round" '
            f'style="stroke:{_colour(number)}"/>'
            f'<text x="{_LEFT + _LEGEND * number}" y="38" style="fill:{_colour(number)}">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def bars(title: str, values: Mapping[str, float], axis: str) -> str:
    """One bar a name, from 0 up, its value above it."""
    top = _rounded(max(values.values(), default=0.0))
    wide, tall = (_WIDE - _LEFT - _EDGE) / max(1, len(values)), _HIGH - _EDGE - _TOP
    parts = [_axes(title, axis, top)]
    digits = 0 if top >= _WHOLE else 2
    for number, (name, value) in enumerate(values.items()):
        x, high = _LEFT + wide * number, value / top * tall
        parts.append(
            f'<rect x="{x + wide * 0.2:.1f}" y="{_HIGH - _EDGE - high:.1f}" width="{wide * 0.6:.1f}" '
            f'height="{high:.1f}" style="fill:{_colour(0)}"/>'
            f'<text x="{x + wide / 2:.1f}" y="{_HIGH - _EDGE - high - 4:.1f}" text-anchor="middle">'
            f"{value:,.{digits}f}</text>"
            f'<text x="{x + wide / 2:.1f}" y="{_HIGH - _EDGE + 16}" text-anchor="middle">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _rounded(most: float) -> float:
    """The least end of an axis, not below a value, whose ticks are short numbers."""
    if most <= 0:
        return 1.0
    scale = math.pow(10, math.floor(math.log10(most / _TICKS)))
    return _TICKS * scale * next(step for step in _ROUND if step * scale * _TICKS >= most * (1 - 1e-9))


def _colour(number: int) -> str:
    return f"var(--c{number % len(_LIGHT)})"


def _path(x: Floats, y: Floats) -> str:
    """A piece for each run of points without a gap; a point alone becomes a dot."""
    ends = np.flatnonzero(np.diff(np.isfinite(np.concatenate([[np.nan], y, [np.nan]])).astype(np.int8)))
    pieces = []
    for first, last in zip(ends[::2], ends[1::2], strict=True):
        points = [f"{a:.1f},{b:.1f}" for a, b in zip(x[first:last], y[first:last], strict=True)]
        pieces.append(f"M{points[0]}L{' '.join(points)}")
    return "".join(pieces)


def _axes(title: str, axis: str, top: float) -> str:
    bottom = _HIGH - _EDGE
    ticks = "".join(
        f'<text x="{_LEFT - 6}" y="{bottom - (bottom - _TOP) * part / _TICKS + 4:.0f}" text-anchor="end">'
        f"{top * part / _TICKS:,.6g}</text>"
        for part in range(_TICKS + 1)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif" '
        f'font-size="11" role="img" aria-label="{escape(title)}">'
        f'<text x="{_LEFT}" y="18" font-size="14">{escape(title)}</text>'
        f'<text x="{_WIDE - _EDGE}" y="18" text-anchor="end">{escape(axis)}</text>'
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{_WIDE - _EDGE}" fill="none" style="stroke:var(--ink)"/>{ticks}'
    )
