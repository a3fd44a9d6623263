"""An option and the rates of a week → replicas for each hour, what goes to a hosted model, and dollars a month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cluster.cost import MONTH_HOURS
from cluster.demand import HOURS
from cluster.demand.lengths import Counts, Floats
from cluster.plan.options import Option
from cluster.spec import Pay, Planning

MOST: Final = 1000
"""Replicas of one model at most, as in the fleet file."""
AUTOSCALED: Final = "autoscaled"
"""The way to pay for GPUs on demand that are given back in quiet hours."""
_LIMITS: Final = 40
"""Numbers of replicas that are tried with a hosted model for the rest."""
_HOUR_S: Final = 3600.0
_DAY: Final = 24


@dataclass(frozen=True, slots=True)
class Hosted:
    """What a hosted model may take over."""

    usd_per_request: float
    usd_per_day: float
    """Budget."""


@dataclass(frozen=True, slots=True)
class Sized:
    """One tier on one option."""

    option: Option
    rates: Floats
    """Requests per second that the tier is asked, by hour of the week."""
    replicas: Counts
    """By hour of the week, the spare ones included."""
    spilled: Floats
    """Requests per second that a hosted model takes, by hour of the week."""
    usd_month: dict[str, float]
    """Of the GPUs in each way to pay, and ``autoscaled``: on demand, by the hour."""
    hosted_usd_month: float
    hosted_usd_day: float
    """Of the week's most expensive day."""
    pay: str
    """The key of ``usd_month`` that is meant."""

    @property
    def most(self) -> int:
        """Replicas in the busiest hour."""
        return int(self.replicas.max())

    @property
    def gpus(self) -> int:
        """GPUs in the busiest hour."""
        return self.most * self.option.setup.gpus

    @property
    def limits(self) -> Floats:
        """Requests per second that the replicas of each hour take at the promises."""
        limits: Floats = self.replicas * np.float64(self.option.rate)
        return limits

    @property
    def usd(self) -> float:
        """Dollars a month, the hosted model's included."""
        return self.usd_month[self.pay] + self.hosted_usd_month

    @property
    def why_not(self) -> str:
        """Why it cannot be had after all; empty when it can."""
        return f"too many: needs {self.most} replicas, at most {MOST} of a model" if self.most > MOST else ""


def sized(option: Option, rates: Floats, planning: Planning, hosted: Hosted | None = None) -> Sized:
    """The cheapest way to answer ``rates`` on an option that has a rate; with ``hosted``, peaks may go there."""
    local = _placed(option, rates, planning, MOST + 1)
    highest = int(_need(option, rates).max())
    if hosted is None or not planning.claude_for_peaks or highest > MOST:
        return local
    limits = np.unique(np.linspace(1, highest, _LIMITS).astype(np.int64))[:-1]
    fewer = (_placed(option, rates, planning, int(limit), hosted) for limit in limits)
    return min([local, *(one for one in fewer if one.hosted_usd_day <= hosted.usd_per_day)], key=lambda one: one.usd)


def _need(option: Option, rates: Floats) -> Counts:
    """Replicas that hold the promises, by hour."""
    return np.clip(np.ceil(rates / option.rate - 1e-9), 1, MOST + 1).astype(np.int64)


def _placed(option: Option, rates: Floats, planning: Planning, limit: int, hosted: Hosted | None = None) -> Sized:
    """With ``limit`` replicas at most; what they cannot take goes to the hosted model."""
    need = np.minimum(_need(option, rates), limit)
    spilled, hosted_day, hosted_month = np.zeros(HOURS), 0.0, 0.0
    if hosted:
        spilled = np.maximum(0, rates - limit * option.rate)
        days = spilled.reshape(-1, _DAY).sum(axis=1) * _HOUR_S * hosted.usd_per_request
        hosted_day, hosted_month = float(days.max()), float(days.sum()) * MONTH_HOURS / HOURS
    by_hour = np.maximum(need, np.roll(need, -1)) + planning.spare_replicas  # ready an hour ahead
    each = option.usd_per_hour
    month = {way.value: each[way] * float(by_hour.max()) * MONTH_HOURS for way in Pay}
    month[AUTOSCALED] = each[Pay.ON_DEMAND] * float(by_hour.mean()) * MONTH_HOURS
    scales = planning.pay is Pay.ON_DEMAND and planning.autoscale
    return Sized(
        option=option,
        rates=rates,
        replicas=by_hour if scales else np.full(HOURS, by_hour.max()),
        spilled=spilled,
        usd_month=month,
        hosted_usd_month=hosted_month,
        hosted_usd_day=hosted_day,
        pay=AUTOSCALED if scales else planning.pay.value,
    )
