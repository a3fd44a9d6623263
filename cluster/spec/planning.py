"""What ``freehold plan`` may choose from, and how its GPUs are paid for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from cluster.spec.base import Name, Noun

Usd = Annotated[float, Field(gt=0, le=1e7, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class Pay(StrEnum):
    """How GPUs are paid for."""

    ON_DEMAND = "on_demand"
    """By the hour, at the catalogue's price."""
    RESERVED = "reserved"
    """For a year or more, all hours, at a discount."""
    OWNED = "owned"
    """Bought, written off over their years, with the power that they take."""


class Planning(Noun):
    """The choices of ``freehold plan``; the load is ``traffic``'s, the promises are ``slo``'s."""

    gpus: tuple[Name, ...] = ()
    """GPU types to choose from, as the catalogue or Ray names them. Empty: every type of the catalogue with a price."""
    max_gpus: dict[Name, Annotated[int, Field(ge=0, le=100_000)]] = Field(default={})
    """GPUs that can be had of a type; types that are not named are not limited."""
    tensor_parallel: tuple[Literal[1, 2, 4, 8], ...] = (1, 2, 4, 8)
    """GPUs that a replica may be split over; 8 is what one server has."""
    quantizations: tuple[Annotated[str, Field(min_length=1, max_length=32)], ...] = ()
    """Ways to store weights that may be chosen, such as ``bf16``, ``fp8``, ``int4``. Empty: as the model's source is
    stored, and ``fp8``, which vLLM makes of a ``bf16`` source while loading. Others need a source of their own."""
    spare_replicas: Annotated[int, Field(ge=0, le=100)] = 1
    """Replicas of each model that may fail in the busiest hour while every promise still holds; 0 turns it off."""
    autoscale: bool = True
    """With ``pay: on_demand``, whether replicas that quiet hours do not need are given back."""
    pay: Pay = Pay.ON_DEMAND
    """Which price the cheapest plan is chosen by; reports show all."""
    gpu_usd_per_hour: dict[Name, Usd] = Field(default={})
    """Your own prices on demand, per GPU, in place of the catalogue's."""
    reserved_discount: Share = 0.35
    """Off the price on demand. An assumption between the price lists' discounts for a year and for three; your contract
    knows."""
    purchase_usd: dict[Name, Usd] = Field(default={})
    """What one GPU costs to buy, its share of the server included. Types that are not named: ``payback_months`` of
    their price on demand."""
    payback_months: Annotated[float, Field(gt=0, le=120)] = 16
    """Months of rent on demand that a GPU costs to buy; 14 to 18 is what sellers of servers tell for H100."""
    years: Annotated[float, Field(gt=0, le=15)] = 4
    """Years that a bought GPU is written off over."""
    usd_per_kwh: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.12
    """Electricity for GPUs that you own."""
    power_factor: Annotated[float, Field(ge=1, le=5)] = 1.8
    """Watts at the meter per watt on the GPU's data sheet, for the rest of the server and cooling: a server of eight
    H100 of 700 W is rated for 10.2 kW (1.8)."""
    claude_for_peaks: bool = True
    """Whether requests of the busiest hours may go along ``spillover.chain`` where that is cheaper than GPUs; only
    within what permission and budgets allow there."""
