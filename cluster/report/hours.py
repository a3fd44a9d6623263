"""Replicas over time → hours, GPU-hours, dollars; and what autoscaling saved against ``replicas.max`` all the time.

Only what somebody recorded counts: a time without a record costs nothing here, and the report says how much of the
month is covered. GPUs on demand cost while their replica runs, idle or not; reserved and owned ones cost all of the
month's hours, for as many as ``replicas.max`` needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cluster.catalog.gpus import gpu
from cluster.cost import hourly
from cluster.errors import CatalogError
from cluster.report.facts import Month, Ran
from cluster.report.money import exact
from cluster.spec import Pay, Planning

_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class Hours:
    """One model's replicas on one kind of GPU."""

    model: str
    gpu: str
    replicas: Decimal
    """Replica-hours."""
    always: Decimal
    """Replica-hours with ``replicas.max`` all the time that is recorded."""
    gpus: Decimal
    """GPU-hours that are paid for."""
    usd_per_hour: Decimal | None
    """Of one GPU."""
    no_price: str
    """Why there is none."""

    @property
    def saved(self) -> Decimal:
        """Replica-hours that autoscaling did without."""
        return self.always - self.replicas

    @property
    def usd(self) -> Decimal | None:
        """What its GPUs cost, idle included; None without a price."""
        return None if self.usd_per_hour is None else self.gpus * self.usd_per_hour


def hours_of(month: Month, planning: Planning) -> tuple[Hours, ...]:
    """Each model that ran, on each kind of GPU."""
    known = _recorded(month)
    return tuple(_hours(ran, month, planning, known[ran.model]) for ran in month.replicas if ran.ms > 0)


def recorded(month: Month) -> Decimal:
    """Hours of the clock for which somebody knew how many replicas ran, of the model that most is known of."""
    return max(_recorded(month).values(), default=Decimal(0))


def _recorded(month: Month) -> Mapping[str, Decimal]:
    """By model, whatever it ran on."""
    found: dict[str, Decimal] = {}
    for ran in month.replicas:
        found[ran.model] = found.get(ran.model, Decimal(0)) + Decimal(ran.ms) / _HOUR_MS
    return found


def gpu_usd(hours: tuple[Hours, ...]) -> Decimal | None:
    """What all GPUs cost; None where nobody recorded anything or a price is missing."""
    known = [one.usd for one in hours if one.usd is not None]
    return sum(known, Decimal(0)) if hours and len(known) == len(hours) else None


def covered(month: Month) -> float | None:
    """Share of the time since the first load of the month that replicas are recorded for; None without any load."""
    seconds = month.active.total_seconds()
    return min(1.0, float(recorded(month)) * 3600 / seconds) if seconds else None


def busy_hours(month: Month) -> Mapping[str, Decimal]:
    """Model → GPU-hours that requests took, as the ledger estimates them."""
    found: dict[str, int] = {}
    for used in month.usage:
        found[used.model] = found.get(used.model, 0) + used.gpu_ms
    return {model: Decimal(ms) / _HOUR_MS for model, ms in found.items()}


def _hours(ran: Ran, month: Month, planning: Planning, known: Decimal) -> Hours:
    """``known`` are the recorded hours of the model, on every kind of GPU."""
    replicas, always = (Decimal(ms) / _HOUR_MS for ms in (ran.replica_ms, ran.most_ms))
    paid = replicas
    if planning.pay is not Pay.ON_DEMAND:
        paid = always / known * Decimal(round(month.span.total_seconds())) / 3600
    price, why = _price(ran, planning)
    return Hours(ran.model, ran.gpu, replicas, always, paid * ran.gpus, price, why)


def _price(ran: Ran, planning: Planning) -> tuple[Decimal | None, str]:
    if not ran.gpus:
        return Decimal(0), ""
    try:
        return exact(hourly(gpu(ran.gpu), planning).usd[planning.pay]), ""
    except CatalogError as exc:
        return None, str(exc)
