"""The gateway in the chart's values: pods, scaling, the ways in, and the secrets that it is given."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from cluster.kube.values.base import Count, Labels, Object, Port, Quantity, Resources, Seconds, SecretKey, Value


class Autoscaling(Value):
    """A HorizontalPodAutoscaler (autoscaling/v2) on CPU; a gateway does nothing but use it."""

    enabled: bool = True
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = 2
    max_replicas: Annotated[int, Field(ge=1, le=1000)] = 6
    target_cpu_percent: Annotated[int, Field(ge=1, le=100)] = 60
    """Of the requested CPU; the rest is for bursts until new pods are ready."""
    scale_down_seconds: Seconds = 300
    """How long the load must stay low before a pod goes."""


class ServiceType(StrEnum):
    """How a Service is reached."""

    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class Service(Value):
    """The gateway's Service."""

    type: ServiceType = ServiceType.CLUSTER_IP
    port: Port = 80
    annotations: Labels = Field(default={})


class Ingress(Value):
    """An Ingress for one host. With nginx in its class it gets that controller's time-outs, and no buffers."""

    enabled: bool = False
    class_name: str = ""
    host: str = ""
    """Needed when it is enabled."""
    tls_secret: str = ""
    """A Secret with the certificate; without one the Ingress speaks plain HTTP."""
    annotations: Labels = Field(default={})
    """Win over those that the chart adds. Other controllers have their own for time-outs and buffering; see NOTES."""


class HttpRoute(Value):
    """A route of the Gateway API, with time-outs long enough for streams."""

    enabled: bool = False
    parent_refs: tuple[Object, ...] = ()
    """The Gateways that it attaches to; needed when it is enabled."""
    hostnames: tuple[str, ...] = ()
    timeout: Annotated[str, Field(pattern=r"^[0-9]{1,5}(ms|s|m|h)$")] = "1h"
    """For a whole answer."""


class HostedKey(Value):
    """A key of a hosted model, from a Secret to the environment variable that the fleet file names."""

    env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]
    """As in ``models.*.api_key_env``; ``ANTHROPIC_API_KEY`` for Claude."""
    secret: SecretKey


class Gateway(Value):
    """What callers talk to."""

    replicas: Annotated[int, Field(ge=1, le=1000)] = 2
    """Pods, where autoscaling is off."""
    autoscaling: Autoscaling = Autoscaling()
    min_available: Count = 1
    """Pods that a drain leaves running (PodDisruptionBudget). 0 turns the budget off, as does a single pod."""
    resources: Resources = Resources(requests={"cpu": "1", "memory": "512Mi"}, limits={"memory": "1Gi"})
    leave_seconds: Seconds = 5
    """How long a gateway that is to end still takes requests: until every proxy and load balancer has learnt of it."""
    spool: Quantity = "1Gi"
    """Room on a pod's disk for ledger rows while the database is away."""
    service: Service = Service()
    ingress: Ingress = Ingress()
    http_route: HttpRoute = HttpRoute()
    node_selector: Labels = Field(default={})
    tolerations: tuple[Object, ...] = ()
    pod_annotations: Labels = Field(default={})
    hosted_keys: tuple[HostedKey, ...] = ()
    """Keys of hosted models."""


class Database(Value):
    """PostgreSQL, needed where the fleet file has ``tenants.access: keys``; the chart installs none."""

    url: SecretKey = SecretKey()
    """``postgresql://user:password@host/name``; goes to the variable that ``database.url_env`` names."""
    pepper: SecretKey = SecretKey()
    """At least 32 random bytes: what the keys' digests are made with. Every gateway needs the same one."""
