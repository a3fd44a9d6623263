"""Quantisations by name."""

from __future__ import annotations

import pytest

from cluster.catalog.quant import quant, quant_in
from cluster.errors import CatalogError


@pytest.mark.parametrize(
    ("name", "found"), [("fp16", "bf16"), ("awq_marlin", "int4"), ("NVFP4", "fp4"), ("fp8?", "fp8"), ("mxfp4", "mxfp4")]
)
def test_a_name_of_vllms_is_known(name: str, found: str) -> None:
    """Spellings of vLLM and those of published tables."""
    assert quant(name).name == found


@pytest.mark.parametrize(
    ("model", "found"), [("x/y-7B-AWQ", "int4"), ("x/y-FP8-dynamic", "fp8"), ("nvidia/y-NVFP4", "fp4"), ("x/y-7B", "")]
)
def test_a_models_name_tells_how_it_is_stored(model: str, found: str) -> None:
    """Where it does not, nothing is assumed here."""
    assert quant_in(model) == found


def test_an_unknown_one_is_refused() -> None:
    """With those that are known."""
    with pytest.raises(CatalogError, match=r"no quantisation 'int3'.*int4"):
        quant("int3")
