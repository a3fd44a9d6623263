"""The catalogue's GPUs: plausible rows, and names as Ray gives them."""

from __future__ import annotations

import pytest

from cluster.catalog.gpus import Gpu, gpu, gpus
from cluster.errors import CatalogError


@pytest.mark.parametrize("row", gpus().values(), ids=lambda row: row.name)
def test_a_row_is_plausible(row: Gpu) -> None:
    """A source, and narrower formats that are never slower."""
    assert row.source
    assert 1e11 < row.bandwidth < 1e13
    assert row.flops["bf16"] <= row.flops["fp8"] <= row.flops["fp4"]
    assert row.hourly_usd is None or row.price_source


@pytest.mark.parametrize(("name", "found"), [("H100", "H100-SXM"), ("a100_40g", "A100-SXM-40"), ("L40S", "L40S")])
def test_a_name_of_rays_finds_its_gpu(name: str, found: str) -> None:
    """Case and separators do not matter."""
    assert gpu(name).name == found


def test_an_unknown_gpu_names_the_nearest() -> None:
    """Nothing is guessed."""
    with pytest.raises(CatalogError, match=r"no GPU 'H1000'.*h100"):
        gpu("H1000")
