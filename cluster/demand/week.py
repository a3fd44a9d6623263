"""A fleet's ``traffic`` as requests per second for each hour of a week, split over the tiers.

The busiest hour is what ``traffic`` states, after its months of growth; the other hours follow from its shape, or from
the trace where that is at least a day long.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cluster.demand.lengths import Floats, LogNormals, Mix
from cluster.demand.trace import Trace, read_trace
from cluster.errors import UsageError
from cluster.spec import SPILLOVER, Fleet, Shape, Traffic

HOURS: Final = 168
"""Of a week, from Monday 0:00 on."""
_DAY: Final = 24
_HOUR_S: Final = 3600.0

_OFFICE: Final = (10, 10, 10, 10, 10, 10, 15, 30, 65, 90, 100, 95, 75, 80, 95, 100, 90, 70, 45, 30, 20, 15, 10, 10)
_CONSUMER: Final = (55, 40, 30, 25, 25, 25, 30, 38, 45, 52, 58, 62, 66, 66, 66, 68, 72, 78, 85, 94, 100, 98, 88, 72)
"""Percent of the busiest hour, by hour of the day; drawn by hand after what :class:`~cluster.spec.Shape` says."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked in one week."""

    rates: Floats
    """Requests per second in each hour of the week, Monday 0:00 first, all tiers together."""
    shares: dict[str, float]
    """Tier → its share of the requests: ``small``, ``large``, ``spillover``; they add up to 1."""
    mix: Mix
    """How long the requests are, the same at every hour and in every tier."""

    @property
    def busiest(self) -> int:
        """The hour of the week with the most requests."""
        return int(np.argmax(self.rates))

    def rate(self, tier: str) -> Floats:
        """Requests per second that one tier answers, by hour of the week."""
        return self.rates * self.shares.get(tier, 0)


def demand_of(fleet: Fleet, folder: Path) -> Demand:
    """The demand that a fleet file states; ``folder`` is what ``traffic.trace`` is relative to.

    Raises UsageError where there is none, where a tier that gets a share has no model, or for a trace that is wrong.
    Users ask once in ``think_seconds``: the time that they wait for answers is left out, so the demand errs upwards.
    """
    traffic = fleet.traffic
    if not traffic.is_given:
        msg = "traffic: there is none to plan for; set users, requests_per_second or trace"
        raise UsageError(msg)
    grown = (1 + traffic.growth_per_month) ** traffic.months
    if traffic.trace:
        trace = read_trace(folder / traffic.trace)
        return Demand(_trace_week(trace, traffic.shape) * grown, _shares(fleet), trace)
    busiest = traffic.requests_per_second or (traffic.users or 0) / traffic.think_seconds
    return Demand(shape_of_week(traffic.shape) * busiest * grown, _shares(fleet), _mix(fleet, traffic))


def _mix(fleet: Fleet, traffic: Traffic) -> LogNormals:
    longest = max((model.context_length for model in fleet.models.values() if model.runs_here), default=None)
    lengths = LogNormals(traffic.prompt_tokens, traffic.output_tokens, traffic.cached_share)
    return LogNormals(lengths.prompt, lengths.output, lengths.cached_share, longest) if longest else lengths


def _shares(fleet: Fleet) -> dict[str, float]:
    traffic, tiers = fleet.traffic, fleet.tiers
    if traffic.spill_share and not fleet.spillover.chain:
        msg = f"traffic.spill_share: {traffic.spill_share:g} would go to a paid model, but spillover.chain is empty"
        raise UsageError(msg)
    local = 1 - traffic.spill_share
    if local and not (tiers.small or tiers.large):
        msg = "tiers: no model in small or large answers the traffic; list one"
        raise UsageError(msg)
    large = fleet.routing.large_share if traffic.large_share is None else traffic.large_share
    if traffic.large_share and not tiers.large:
        msg = f"traffic.large_share: {large:g} would go to tiers.large, which is empty"
        raise UsageError(msg)
    large = 1.0 if not tiers.small else large if tiers.large else 0.0
    return {"small": local * (1 - large), "large": local * large, SPILLOVER: traffic.spill_share}


def shape_of_week(shape: Shape) -> Floats:
    """Each hour of the week as a share of the busiest."""
    if shape is Shape.OFFICE:
        return np.concatenate([np.tile(np.array(_OFFICE) / 100, 5), np.full(2 * _DAY, 0.1)])
    return np.tile(np.array(_CONSUMER) / 100, 7) if shape is Shape.CONSUMER else np.ones(HOURS)


def _trace_week(trace: Trace, shape: Shape) -> Floats:
    """By the hours of a trace of a day or more, repeated; a shorter one is the busiest hour of ``shape``."""
    hours = trace.span_s / _HOUR_S
    if hours < _DAY:
        whole = max(1, int(hours))
        seconds = min(trace.span_s, whole * _HOUR_S)
        counts = np.histogram(trace.arrival_s, bins=whole, range=(0, seconds))[0]
        return shape_of_week(shape) * float(counts.max()) / (seconds / whole)
    whole = min(int(hours) // _DAY * _DAY, HOURS)
    counts = np.histogram(trace.arrival_s, bins=whole, range=(0, whole * _HOUR_S))[0]
    return np.resize(counts / _HOUR_S, HOURS)
