"""The load of a month, as the ledger measured it, as a demand that plans can be made for.

An hour of the week has the mean of that hour over the time since the month's first load; an hour that has not come yet
has that of the same hour on other days, else the mean of all. Within an hour the arrivals are taken for random, so a
burst of minutes is not seen. Lengths are log-normal with the mean that was measured, and the scatter of their
logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import numpy as np

from cluster.demand import HOURS, Demand, LogNormals
from cluster.demand.lengths import Floats
from cluster.report.facts import Hour, Month
from cluster.spec import SPILLOVER, Fleet, Lengths

_HOUR_S: Final = 3600
_DAY: Final = 24
_P95: Final = 1.6449
"""Standard deviations from the median to the 95th percentile."""
_TIERS: Final = ("small", "large", SPILLOVER)


def demand_in(month: Month, fleet: Fleet) -> Demand | None:
    """What was asked of chat models; None where nothing was."""
    hours = [hour for hour in month.traffic if hour.tier in _TIERS]
    asked = sum(hour.requests for hour in hours)
    if not asked:
        return None
    shares = {tier: sum(hour.requests for hour in hours if hour.tier == tier) / asked for tier in _TIERS}
    prompts = sum(hour.prompt_tokens for hour in hours)
    cached = sum(hour.cached_tokens for hour in hours) / prompts if prompts else 0.0
    longest = max(model.context_length for model in fleet.models.values())
    mix = LogNormals(
        _lengths(prompts, asked, [(hour.prompt_ln, hour.prompt_ln2) for hour in hours]),
        _lengths(
            sum(hour.completion_tokens for hour in hours),
            asked,
            [(hour.completion_ln, hour.completion_ln2) for hour in hours],
        ),
        min(1.0, cached),
        longest,
    )
    return Demand(_week(hours, month.begun.timestamp(), month.until.timestamp()), shares, mix)


def _lengths(tokens: int, count: int, logarithms: Sequence[tuple[float, float]]) -> Lengths:
    """A log-normal with this mean, and the scatter that the sums of logarithms and of their squares tell."""
    first, second = (math.fsum(column) / count for column in zip(*logarithms, strict=True))
    sigma = math.sqrt(max(0.0, second - first**2))
    median = max(1.0, tokens / count / math.exp(sigma**2 / 2))
    return Lengths(p50=median, p95=median * math.exp(_P95 * sigma))


def _week(hours: Sequence[Hour], since: float, until: float) -> Floats:
    """Requests per second by hour of the week, Monday 0:00 first, UTC."""
    requests, seconds = np.zeros(HOURS), np.zeros(HOURS)
    for hour in hours:
        requests[_place(hour.begins)] += hour.requests
    for begins in range(int(since // _HOUR_S) * _HOUR_S, math.ceil(until), _HOUR_S):
        seconds[_place(begins)] += min(begins + _HOUR_S, until) - max(begins, since)
    days = np.tile(_rates(requests.reshape(-1, _DAY).sum(axis=0), seconds.reshape(-1, _DAY).sum(axis=0)), HOURS // _DAY)
    mean = requests.sum() / max(1.0, seconds.sum())
    found = _rates(requests, seconds)
    rates: Floats = np.where(np.isfinite(found), found, np.where(np.isfinite(days), days, mean))
    return rates


def _rates(requests: Floats, seconds: Floats) -> Floats:
    """NaN where there was no time."""
    found: Floats = np.full(len(requests), np.nan)
    return np.divide(requests, seconds, out=found, where=seconds > 0)


def _place(begins: int) -> int:
    moment = datetime.fromtimestamp(begins, UTC)
    return moment.weekday() * _DAY + moment.hour
