"""The fleet file as frozen nouns, one a file; start with :mod:`cluster.spec.fleet`."""

from cluster.spec.database import Database
from cluster.spec.fleet import AUTO, SHORTCUT, Fleet
from cluster.spec.gateway import Deadlines, Gateway, Limits
from cluster.spec.models import Accelerator, Autoscaling, Capability, Egress, Engine, Model, Price, Replicas
from cluster.spec.planning import Pay, Planning
from cluster.spec.quality import Quality
from cluster.spec.routes import Route
from cluster.spec.routing import Cascade, Routing, Rule, Tiers, WhenBusy
from cluster.spec.shortcuts import Shortcut
from cluster.spec.sites import AT, Site
from cluster.spec.slo import Slo
from cluster.spec.spillover import SPILLOVER, Spillover, Trigger
from cluster.spec.tenants import Budget, Plan, ResponseCache, Tenants
from cluster.spec.traffic import Lengths, Shape, Traffic

__all__ = [
    "AT",
    "AUTO",
    "SHORTCUT",
    "SPILLOVER",
    "Accelerator",
    "Autoscaling",
    "Budget",
    "Capability",
    "Cascade",
    "Database",
    "Deadlines",
    "Egress",
    "Engine",
    "Fleet",
    "Gateway",
    "Lengths",
    "Limits",
    "Model",
    "Pay",
    "Plan",
    "Planning",
    "Price",
    "Quality",
    "Replicas",
    "ResponseCache",
    "Route",
    "Routing",
    "Rule",
    "Shape",
    "Shortcut",
    "Site",
    "Slo",
    "Spillover",
    "Tenants",
    "Tiers",
    "Traffic",
    "Trigger",
    "WhenBusy",
]
