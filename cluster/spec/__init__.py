"""The fleet file as frozen nouns, one a file; start with :mod:`cluster.spec.fleet`."""

from cluster.spec.database import Database
from cluster.spec.fleet import AUTO, Fleet
from cluster.spec.gateway import Deadlines, Gateway, Limits
from cluster.spec.models import Accelerator, Capability, Engine, Model, Price, Replicas
from cluster.spec.routing import Routing, Tiers
from cluster.spec.slo import Slo
from cluster.spec.spillover import SPILLOVER, Spillover, Trigger
from cluster.spec.tenants import Budget, Plan, ResponseCache, Tenants
from cluster.spec.traffic import Lengths, Shape, Traffic

__all__ = [
    "AUTO",
    "SPILLOVER",
    "Accelerator",
    "Budget",
    "Capability",
    "Database",
    "Deadlines",
    "Engine",
    "Fleet",
    "Gateway",
    "Lengths",
    "Limits",
    "Model",
    "Plan",
    "Price",
    "Replicas",
    "ResponseCache",
    "Routing",
    "Shape",
    "Slo",
    "Spillover",
    "Tenants",
    "Tiers",
    "Traffic",
    "Trigger",
]
