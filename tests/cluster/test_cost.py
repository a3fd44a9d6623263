"""GPU-hours, power and hosted tokens become dollars."""

from __future__ import annotations

import numpy as np
import pytest

from cluster.catalog.gpus import gpu
from cluster.cost import CLAUDE, hosted_price, hourly, per_million, tokens_per_month, usd_per_request
from cluster.demand import Requests
from cluster.errors import CatalogError
from cluster.spec import Pay, Planning, Price
from tests.cluster.plan.fleets import CLAUDE as HOSTED
from tests.cluster.plan.fleets import LARGE, SMALL, fleet

REQUESTS = Requests(np.array([1000, 3000]), np.array([100, 300]), np.array([500, 500]))


def test_three_ways_to_pay() -> None:
    """A discount off the price on demand; a purchase over its years plus power at the meter."""
    planning = Planning(
        gpu_usd_per_hour={"H100": 2}, purchase_usd={"H100-SXM": 35_040}, years=4, usd_per_kwh=0.1, power_factor=2
    )
    found = hourly(gpu("H100"), planning)
    assert found.usd[Pay.ON_DEMAND] == 2
    assert found.usd[Pay.RESERVED] == pytest.approx(1.3)
    assert found.usd[Pay.OWNED] == pytest.approx(1 + 0.7 * 2 * 0.1)
    assert found.source == "planning.gpu_usd_per_hour"


def test_the_catalogue_has_prices_with_sources() -> None:
    """The catalogue's price counts where there is no own one; without either there is an error with its way out."""
    assert hourly(gpu("L40S"), Planning()).source
    with pytest.raises(CatalogError, match="gpu_usd_per_hour: the catalogue has no price for GB300; set GB300: USD"):
        hourly(gpu("GB300"), Planning())


def test_a_price_for_an_unknown_gpu_is_named() -> None:
    """A typo in a price must not pass as a price that is not needed."""
    with pytest.raises(CatalogError, match=r"^planning\.gpu_usd_per_hour\.H10: no GPU 'H10'"):
        hourly(gpu("H100"), Planning(gpu_usd_per_hour={"H10": 1}))


def test_a_request_at_a_hosted_model() -> None:
    """Fresh prompt tokens, cached ones at their own price, and the answer."""
    price = Price(prompt=3, completion=15, cached_prompt=0.3)
    assert usd_per_request(price, REQUESTS) == pytest.approx((1500 * 3 + 500 * 0.3 + 200 * 15) / 1e6)
    assert usd_per_request(Price(prompt=3, completion=15), REQUESTS) == pytest.approx((2000 * 3 + 200 * 15) / 1e6)


def test_whose_price_hosting_has() -> None:
    """The chain's first model, else the baseline, else Claude's list."""
    assert hosted_price(fleet()) == CLAUDE
    assert hosted_price(fleet(spillover={"baseline": {"prompt": 1, "completion": 2}})).completion == 2
    models = {"s": SMALL, "l": LARGE, "c": HOSTED}
    assert hosted_price(fleet(models=models, spillover={"chain": ["c"], "open_usd_per_day": 1})).completion == 15


def test_tokens_of_a_month() -> None:
    """Prompt and output tokens of 730 hours."""
    assert tokens_per_month(168, REQUESTS) == pytest.approx(730 * 2200)
    assert per_million(5, 1e7) == 0.5
    assert per_million(5, 0) == 0
