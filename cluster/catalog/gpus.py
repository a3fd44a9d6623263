"""GPUs: memory, bandwidth, arithmetic, link, power and price."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from cluster.catalog.table import Row, number, refuse, rows, spelled

GIB = float(1 << 30)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU's figures, as its data sheet has them."""

    name: str
    memory_bytes: float
    bandwidth: float
    """Bytes a second of its memory."""
    flops: Mapping[str, float] = field(hash=False)
    """Dense operations a second for weights in ``bf16``, ``fp8`` and ``fp4``. A GPU without a format unpacks it to the
    next wider one that it has, and has that one's figure."""
    link: float
    """Bytes a second to its neighbours, each way."""
    watts: float
    hourly_usd: float | None
    """On demand, per GPU; None where no price was found."""
    hourly_usd_low: float | None
    source: str
    price_source: str


@cache
def gpus() -> dict[str, Gpu]:
    """Every GPU of the catalogue by its name there."""
    return {row["gpu"]: _gpu(row) for row in rows("gpus.csv")}


def gpu(name: str) -> Gpu:
    """A GPU by its name, or by the one that Ray gives it (``H100``, ``A100-40G``).

    Raises :class:`~cluster.errors.CatalogError` for an unknown one.
    """
    found = _names().get(spelled(name))
    if found is None:
        refuse("GPU", name, _names(), "its figures go into cluster/catalog/gpus.csv")
    return gpus()[found]


@cache
def _names() -> dict[str, str]:
    table = rows("gpus.csv")
    return {spelled(alias): row["gpu"] for row in table for alias in (row["gpu"], *row["aliases"].split())}


def _gpu(row: Row) -> Gpu:
    bf16 = number(row, "bf16_tflops") * 1e12
    fp8 = number(row, "fp8_tflops") * 1e12 or bf16
    return Gpu(
        name=row["gpu"],
        memory_bytes=number(row, "memory_gib") * GIB,
        bandwidth=number(row, "bandwidth_gbs") * 1e9,
        flops={"bf16": bf16, "fp8": fp8, "fp4": number(row, "fp4_tflops") * 1e12 or fp8},
        link=number(row, "link_gbs") * 1e9,
        watts=number(row, "watts"),
        hourly_usd=number(row, "hourly_usd") or None,
        hourly_usd_low=number(row, "hourly_usd_low") or None,
        source=row["spec_source"],
        price_source=row["price_source"],
    )
