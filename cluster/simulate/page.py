"""A simulation as one HTML file without outside parts: its figures as a table, and plots over time as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import Final

import numpy as np

from cluster.simulate.calls import Column
from cluster.simulate.outcome import COLUMNS, Outcome, Times
from cluster.simulate.pool import Pool

_WIDE, _HIGH, _LEFT, _EDGE = 900, 220, 60, 26
_COLOURS: Final = ("#0a7d4f", "#2563c9", "#b4540a", "#7a3db8")
_BINS: Final = 240
_HOUR_S: Final = 3600.0
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}svg{width:100%;margin:1em 0}"
    "table{border-collapse:collapse}td,th{padding:.2em .8em;text-align:right;border-bottom:1px solid #ddd}"
    "td:first-child,th:first-child{text-align:left}"
)

Curve = tuple[str, Column]


def page(title: str, outcome: Outcome, times: Times, pools: Sequence[Pool]) -> str:
    """The whole file."""
    edges = np.linspace(0, max(outcome.seconds, 1e-9), _BINS + 1)
    names = [pool.service.name for pool in pools]
    each = range(len(pools))
    by_model: dict[str, list[Column]] = {
        "Requests per second": [_rate(times, edges, at) for at in each],
        "Replicas, cold starts and drains included": [_paid(pool, edges) for pool in pools],
        "TTFT p95, seconds": [_p95(times, times.ttft_s, edges, at) for at in each],
        "TPOT p95, seconds": [_p95(times, times.tpot_s, edges, at) for at in each],
    }
    plots = [_plot(name, edges, list(zip(names, curves, strict=True))) for name, curves in by_model.items()]
    plots.append(_plot("Requests outside of the SLO, percent", edges, [("all", _outside(times, edges))]))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1>{_table(outcome)}{''.join(plots)}</html>\n"
    )


def _table(outcome: Outcome) -> str:
    rows = [("model", *COLUMNS), *((one.name, *one.row()) for one in (*outcome.models, outcome.whole))]
    cells = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows]
    lost = f"<p>Spilled {outcome.spilled:,}, refused {outcome.refused:,}.</p>"
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in cells)}</table>{lost}"


def _rate(times: Times, edges: Column, pool: int) -> Column:
    counts = np.histogram(times.arrival_s[times.pool == pool], edges)[0]
    return np.asarray(counts / np.diff(edges), np.float64)


def _paid(pool: Pool, edges: Column) -> Column:
    at = np.searchsorted([look.at_s for look in pool.looks], (edges[:-1] + edges[1:]) / 2)
    replicas = np.array([len(pool.ready), *(look.replicas for look in pool.looks)], np.float64)
    curve: Column = replicas[np.minimum(at + 1, len(replicas) - 1)]
    return curve


def _p95(times: Times, seconds: Column, edges: Column, pool: int) -> Column:
    """95th percentile of those that arrived in each bin; NaN where none did."""
    kept = (times.pool == pool) & np.isfinite(seconds)
    values, ends = seconds[kept], np.searchsorted(times.arrival_s[kept], edges)
    bins = (values[low:high] for low, high in pairwise(ends))
    return np.array([np.quantile(some, 0.95) if len(some) else np.nan for some in bins])


def _outside(times: Times, edges: Column) -> Column:
    local = times.pool >= 0
    arrived = np.histogram(times.arrival_s[local], edges)[0]
    late = np.histogram(times.arrival_s[local & ~times.in_slo], edges)[0]
    return np.asarray(100 * late / np.maximum(1, arrived), np.float64)


def _plot(title: str, edges: Column, curves: Sequence[Curve]) -> str:
    """Curves over hours, from 0 up."""
    top = max((float(np.nanmax(curve)) for _, curve in curves if np.isfinite(curve).any()), default=0.0) or 1.0
    wide, tall = _WIDE - _LEFT - _EDGE, _HIGH - 2 * _EDGE
    across = _LEFT + (edges[:-1] + edges[1:]) / 2 / edges[-1] * wide
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif" ',
        f'font-size="11" role="img" aria-label="{escape(title)}">',
        f'<text x="{_LEFT}" y="14" font-size="13">{escape(title)}</text>',
        f'<path d="M{_LEFT} {_EDGE}V{_HIGH - _EDGE}H{_WIDE - _EDGE}" fill="none" stroke="black"/>',
    ]
    for part in range(5):
        y, x = _HIGH - _EDGE - tall * part / 4, _LEFT + wide * part / 4
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{top * part / 4:.3g}</text>')
        hours = edges[-1] / _HOUR_S * part / 4
        parts.append(f'<text x="{x:.0f}" y="{_HIGH - 8}" text-anchor="middle">{hours:.3g} h</text>')
    for number, (name, curve) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        pairs = [(x, y) for x, y in zip(across, curve, strict=True) if np.isfinite(y)]
        points = " ".join(f"{x:.1f},{_HIGH - _EDGE - y / top * tall:.1f}" for x, y in pairs)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        parts.append(f'<text x="{_WIDE - _EDGE}" y="{14 + 13 * number}" text-anchor="end" fill="{colour}">')
        parts.append(f"{escape(name)}</text>")
    return "".join([*parts, "</svg>"])
