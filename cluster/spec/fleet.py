"""The fleet: everything that one fleet file says, checked as a whole."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from cluster.spec.base import Name, Noun
from cluster.spec.gateway import Gateway
from cluster.spec.models import Model
from cluster.spec.routing import Routing, Tiers
from cluster.spec.slo import Slo
from cluster.spec.spillover import Spillover
from cluster.spec.tenants import Tenants
from cluster.spec.traffic import Traffic

AUTO = "auto"
"""The model name that leaves the choice to the router."""


class Fleet(Noun):
    """A fleet of models behind one endpoint."""

    name: Name
    """How the fleet calls itself in logs, metrics and reports."""
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    """By the name that callers use."""
    tiers: Tiers = Tiers()
    routing: Routing = Routing()
    gateway: Gateway = Gateway()
    spillover: Spillover = Spillover()
    tenants: Tenants = Tenants()
    slo: Slo = Slo()
    traffic: Traffic = Traffic()

    @model_validator(mode="after")
    def _tiers_name_models(self) -> Self:
        for tier, names in self.tiers_by_name().items():
            if tier in self.models:
                msg = f"models.{tier}: a model cannot be named like a tier; rename it"
                raise ValueError(msg)
            for index, name in enumerate(names):
                if name not in self.models:
                    known = ", ".join(self.models)
                    msg = f"tiers.{tier}.{index}: no model {name!r} in this file; it has {known}"
                    raise ValueError(msg)
                if (tier == "embedding") != self.models[name].is_embedding:
                    msg = f"tiers.{tier}.{index}: {name!r} has capabilities {list(self.models[name].capabilities)}"
                    raise ValueError(msg)
        if AUTO in self.models:
            msg = f"models.{AUTO}: this name leaves the choice to the router; rename the model"
            raise ValueError(msg)
        return self

    def tiers_by_name(self) -> dict[str, tuple[str, ...]]:
        """Tier → its models, the preferred first; empty tiers included."""
        return {"small": self.tiers.small, "large": self.tiers.large, "embedding": self.tiers.embedding}

    def tier_of(self, model: str) -> str:
        """The tier that lists a model; empty when none does."""
        return next((tier for tier, names in self.tiers_by_name().items() if model in names), "")
