"""What a dashboard consists of, before it is Grafana's JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

WINDOW = "[$__rate_interval]"
"""Grafana's own: at least four scrapes, more where the picture is wide."""
MODEL = '{model=~"$model"}'
ENGINE = '{model_name=~"$model"}'


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture."""

    title: str
    unit: str
    """Grafana's name of it, such as ``s``, ``percentunit``, ``reqps``."""
    queries: Mapping[str, str]
    """Legend → query; a legend may name labels as ``{{model}}``."""
    about: str = ""
    """What a reader should know, shown on hovering."""
    kind: str = "timeseries"


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One page."""

    name: str
    """Of its file, and after ``freehold-`` its ``uid``, which links and bookmarks rely on."""
    title: str
    panels: tuple[Panel, ...]
    by_model: bool = True
    """Whether it can be narrowed to some models."""


def p95(histogram: str) -> str:
    """The 95th percentile of one of the gateway's histograms, by model."""
    return f"histogram_quantile(0.95, sum by (le, model) (rate(freehold_{histogram}_bucket{MODEL}{WINDOW})))"


def rates(counter: str, *by: str, chosen: str = MODEL) -> str:
    """A counter's rate, summed over everything but some labels."""
    return f"sum by ({', '.join(by)}) (rate({counter}{chosen}{WINDOW}))"


def promised(promise: str) -> str:
    """The line that a latency should stay below; nothing where nothing is promised."""
    return f'max(freehold_slo_limit_seconds{{promise="{promise}"}})'
