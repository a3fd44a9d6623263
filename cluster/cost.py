"""GPU-hours, power and hosted tokens → dollars.

A month is a twelfth of a year of 8,760 hours. Prices on demand are the catalogue's, each with its source there, or the
fleet file's own; what is made of them for GPUs that are reserved or owned is stated in ``planning``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from cluster.catalog.gpus import Gpu, gpu
from cluster.demand import Requests
from cluster.errors import CatalogError
from cluster.spec import Fleet, Pay, Planning, Price

Value = TypeVar("Value", int, float)

MONTH_HOURS: Final = 730.0
MILLION: Final = 1e6
CLAUDE: Final = Price(prompt=3, completion=15, cached_prompt=0.3, cache_write=3.75)
"""Claude Sonnet 4.5's price list (Anthropic, 2025-09-29), for fleets that name no hosted model and no baseline."""
_WATTS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Hourly:
    """Dollars per hour of one GPU in each way to pay for it."""

    usd: dict[Pay, float]
    source: str
    """Where the price on demand is from."""


def hourly(kind: Gpu, planning: Planning) -> Hourly:
    """What a GPU costs; raises CatalogError where there is no price."""
    own = by_gpu(planning.gpu_usd_per_hour, "gpu_usd_per_hour").get(kind.name)
    on_demand = own or kind.hourly_usd
    if not on_demand:
        msg = f"planning.gpu_usd_per_hour: the catalogue has no price for {kind.name}; set {kind.name}: USD"
        raise CatalogError(msg)
    bought = by_gpu(planning.purchase_usd, "purchase_usd").get(kind.name)
    bought = bought or planning.payback_months * MONTH_HOURS * on_demand
    power = kind.watts * planning.power_factor / _WATTS * planning.usd_per_kwh
    usd = {
        Pay.ON_DEMAND: on_demand,
        Pay.RESERVED: on_demand * (1 - planning.reserved_discount),
        Pay.OWNED: bought / (planning.years * 12 * MONTH_HOURS) + power,
    }
    return Hourly(usd, "planning.gpu_usd_per_hour" if own else kind.price_source)


def by_gpu(settings: Mapping[str, Value], field: str) -> dict[str, Value]:
    """Settings by the catalogue's names; raises CatalogError that names the field for a GPU that it does not know."""
    found = {}
    for name, value in settings.items():
        try:
            found[gpu(name).name] = value
        except CatalogError as exc:
            msg = f"planning.{field}.{name}: {exc}"
            raise CatalogError(msg) from exc
    return found


def hosted_price(fleet: Fleet) -> Price:
    """What a hosted model would cost: the first of the chain, else the baseline, else Claude Sonnet 4.5."""
    chain = (fleet.models[name].price for name in fleet.spillover.chain)
    return next((price for price in chain if price), None) or fleet.spillover.baseline or CLAUDE


def usd_per_request(price: Price, requests: Requests) -> float:
    """Mean dollars of a request at a hosted model; what our prefix cache holds, its cache is taken to hold, too."""
    cached = float(requests.cached_tokens.mean())
    fresh = float(requests.prompt_tokens.mean()) - cached
    kept = price.prompt if price.cached_prompt is None else price.cached_prompt
    return (fresh * price.prompt + cached * kept + float(requests.output_tokens.mean()) * price.completion) / MILLION


def tokens_per_month(weekly_requests: float, requests: Requests) -> float:
    """Prompt and output tokens of a month, from the requests of a week."""
    each = float(requests.prompt_tokens.mean() + requests.output_tokens.mean())
    return weekly_requests * each * MONTH_HOURS / 168


def per_million(usd: float, tokens: float) -> float:
    """Dollars per million tokens."""
    return usd / tokens * MILLION if tokens else 0.0
