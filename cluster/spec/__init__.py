"""The fleet file as frozen nouns, one a file; start with :mod:`cluster.spec.fleet`."""

from cluster.spec.fleet import AUTO, Fleet
from cluster.spec.gateway import Deadlines, Gateway, Limits
from cluster.spec.models import Accelerator, Capability, Engine, Model, Replicas
from cluster.spec.routing import Routing, Tiers

__all__ = [
    "AUTO",
    "Accelerator",
    "Capability",
    "Deadlines",
    "Engine",
    "Fleet",
    "Gateway",
    "Limits",
    "Model",
    "Replicas",
    "Routing",
    "Tiers",
]
