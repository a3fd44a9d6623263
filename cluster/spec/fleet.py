"""The fleet: everything that one fleet file says, checked as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from cluster.spec.base import FieldPath, MisfitError, Name, Noun
from cluster.spec.database import Database
from cluster.spec.gateway import Gateway
from cluster.spec.models import Autoscaling, Model
from cluster.spec.planning import Planning
from cluster.spec.quality import Quality, unasked
from cluster.spec.routes import Route, clashing, wayless
from cluster.spec.routing import Routing, Tiers, astray
from cluster.spec.shortcuts import Shortcut
from cluster.spec.sites import AT, Site, at_site, offered, unreachable
from cluster.spec.slo import Slo
from cluster.spec.spillover import SPILLOVER, Spillover, loops
from cluster.spec.tenants import Tenants
from cluster.spec.traffic import Traffic

AUTO = "auto"
"""The model name that leaves the choice to the router."""
SHORTCUT = "shortcut"
"""The model and the tier of answers that no model gave, in headers and in the ledger."""


def misnamed(models: Collection[str], tiers: Mapping[str, Sequence[str]]) -> list[tuple[FieldPath, str]]:
    """Names that are taken, or that name nothing, as pairs of a path and what is wrong there."""
    reserved = {
        AUTO: "this name leaves the choice to the router",
        SPILLOVER: "this is a tier's name",
        SHORTCUT: "this is a tier's name",
    }
    reserved |= dict.fromkeys(tiers, "this is a tier's name")
    found: list[tuple[FieldPath, str]] = [
        (("models", name), f"{why}; rename the model") for name, why in reserved.items() if name in models
    ]
    for tier, names in tiers.items():
        for index, name in enumerate(names):
            if name not in models:
                found.append((("tiers", tier, index), f"no model {name!r} in this file"))
            elif name in names[:index]:
                found.append((("tiers", tier, index), f"{name!r} is listed twice"))
    return found


class Fleet(Noun):
    """A fleet of models behind one endpoint."""

    name: Name
    """How the fleet calls itself in logs, metrics and reports."""
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    """By the name that callers use."""
    tiers: Tiers = Tiers()
    routing: Routing = Routing()
    routes: dict[Name, Route] = Field(default={})
    """Roles, by the name that callers use as ``model``."""
    shortcuts: dict[Name, Shortcut] = Field(default={})
    """Messages that no model is needed for; the first that fits answers."""
    gateway: Gateway = Gateway()
    site: Name | None = None
    """How this site calls itself to other sites, each by another name. Default: ``name``."""
    sites: dict[Name, Site] = Field(default={})
    """Other Freehold endpoints that stand in for this one, by what they call themselves; one with this site's own name
    is passed over, so that all sites may have the same list."""
    spillover: Spillover = Spillover()
    quality: Quality = Quality()
    tenants: Tenants = Tenants()
    database: Database = Database()
    slo: Slo = Slo()
    traffic: Traffic = Traffic()
    planning: Planning = Planning()

    @model_validator(mode="after")
    def _accounts_fit(self) -> Self:
        misfits: list[tuple[FieldPath, str]] = []
        if self.tenants.access == "open" and not self.gateway.is_loopback:
            why = f"gateway.host {self.gateway.host!r} is open to the network; set access: keys, or listen on 127.0.0.1"
            misfits.append((("tenants", "access"), why))
        if self.tenants.default_plan not in self.tenants.plans:
            misfits.append((("tenants", "default_plan"), f"no plan {self.tenants.default_plan!r} in tenants.plans"))
        if self.tenants.access == "open" and not self.spillover.open_usd_per_day:
            why = "a model with a price needs a budget; set tenants.access: keys, or spillover.open_usd_per_day"
            for part, priced in (("models", self.models), ("sites", self.sites)):
                misfits += [((part, name, "price"), why) for name, one in priced.items() if one.price is not None]
        MisfitError.unless_none(misfits)
        return self

    @model_validator(mode="after")
    def _autoscaling_has_promises(self) -> Self:
        why = "no latency is promised that it could hold; set ttft_p95_s or another one in slo, or autoscaling: ongoing"
        MisfitError.unless_none(
            [
                (("models", name, "replicas", "autoscaling"), why)
                for name, model in self.models.items()
                if model.replicas.autoscaling is Autoscaling.SLO and not self.slo.latencies
            ]
        )
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        misfits = misnamed(self.models, self.tiers_by_name())
        for tier, names in self.tiers_by_name().items():
            for index, model in enumerate(names):
                if model in self.models and (tier == "embedding") != self.models[model].is_embedding:
                    able = ", ".join(self.models[model].capabilities)
                    misfits.append((("tiers", tier, index), f"{model!r} can {able}; list it elsewhere"))
        MisfitError.unless_none(misfits)
        return self

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Self:
        groups = frozenset({AUTO, SPILLOVER, SHORTCUT, *self.tiers_by_name()})
        misfits = wayless(self.routes, self.models, groups - {SPILLOVER, SHORTCUT})
        misfits += clashing(self.models, {*groups, *self.routes})
        plans = frozenset(self.tenants.plans)
        misfits += astray(self.routing.rules, frozenset({*self.models, "small", "large"}), plans)
        for plan, spec in self.tenants.plans.items():
            for index, name in enumerate(spec.routes or ()):
                if name not in self.routes:
                    misfits.append((("tenants", "plans", plan, "routes", index), f"no route {name!r} in this file"))
        MisfitError.unless_none(misfits)
        return self

    @model_validator(mode="after")
    def _spillover_leads_somewhere(self) -> Self:
        tiered = {name: tier for tier, names in self.tiers_by_name().items() for name in names}
        misfits = loops(self.spillover.chain, self.models, tiered) + unasked(self.quality, self.models)
        for name, model in self.models.items():
            if self.gateway.is_at(model.url):
                misfits.append((("models", name, "url"), "this is the gateway's own address; a request would go round"))
        misfits += unreachable(self.sites, self.models, self.gateway, self.here)
        MisfitError.unless_none(misfits)
        return self

    @property
    def key_envs(self) -> tuple[str, ...]:
        """The environment variables that hold keys of hosted models and of other sites, each once."""
        named = [model.key_env for model in self.models.values()]
        named += [site.api_key_env for name, site in self.sites.items() if name != self.here]
        return tuple(dict.fromkeys(filter(None, named)))

    @property
    def here(self) -> str:
        """What this site is called at the others."""
        return self.site or self.name

    def spread(self) -> Fleet:
        """The same fleet with what its sites have as models of their own, such as ``llama-8b@fra``, last in the tiers.

        What a gateway works with; nothing is left to check, and no file could say it.
        """
        if not self.sites:
            return self
        sites = {name: site for name, site in self.sites.items() if name != self.here}
        models = dict(self.models)
        tiers = self.tiers_by_name()
        for name, model in self.models.items():
            if model.site:
                models[name] = at_site(model, name, sites[model.site], model.site)
        for site_name, site in sites.items():
            for name in offered(site, self.models):
                twin = f"{name}{AT}{site_name}"
                models[twin] = at_site(self.models[name], name, site, site_name)
                tiers |= {tier: (*names, twin) for tier, names in tiers.items() if name in names}
        return self.model_copy(update={"models": models, "tiers": self.tiers.model_copy(update=tiers), "sites": sites})

    def tiers_by_name(self) -> dict[str, tuple[str, ...]]:
        """Tier → its models, the preferred first; empty tiers included."""
        return {"small": self.tiers.small, "large": self.tiers.large, "embedding": self.tiers.embedding}

    def tier_of(self, model: str) -> str:
        """The tier that lists a model, ``spillover`` for the chain; empty when none does."""
        tiers = {**self.tiers_by_name(), SPILLOVER: self.spillover.chain}
        return next((tier for tier, names in tiers.items() if model in names), "")
