"""Who may talk to whom, and who watches, in the chart's values."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cluster.kube.values.base import Count, Labels, Object, Port, SecretKey, Value


class NetworkPolicy(Value):
    """Engines are reached by gateways only and reach nobody; a gateway reaches engines, database and hosted models."""

    enabled: bool = True
    clients: tuple[Object, ...] = ()
    """Who may call the gateway, as peers of a NetworkPolicy; empty: everyone who can reach the pod."""
    metrics: tuple[Object, ...] = ({"namespaceSelector": {}},)
    """Who may read the engines' metrics: Prometheus' namespace."""
    database: tuple[Object, ...] = ({"ipBlock": {"cidr": "10.0.0.0/8"}},)
    """Where the database is, as peers."""
    database_port: Port = 5432
    hosted: tuple[Object, ...] = (
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]}},
    )
    """Where hosted models are, as peers; used only where the fleet has one. NetworkPolicies know no host names."""
    api_server: tuple[Object, ...] = ({"ipBlock": {"cidr": "0.0.0.0/0"}},)
    """Where the API server is, as peers; for Ray's autoscaler in the heads' pods, on ports 443 and 6443."""
    redis: tuple[Object, ...] = ({"ipBlock": {"cidr": "10.0.0.0/8"}},)
    """Where ``engines.ray.faultTolerance.redis`` is, as peers."""
    dns: Object = Field(default={"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}})
    """Who resolves names."""


class Monitoring(Value):
    """For the Prometheus operator and Grafana's sidecar; each part only where the cluster knows the kind."""

    service_monitor: bool = True
    rules: bool = True
    dashboards: bool = True
    gpu_agent: bool = False
    """A DaemonSet on the nodes of every NVIDIA profile that tells of their GPUs, by NVIDIA's container runtime."""
    labels: Labels = Field(default={})
    """On all of them, such as the ``release`` that a Prometheus selects by."""
    interval: Annotated[str, Field(pattern=r"^[0-9]+(ms|s|m)$")] = "15s"


class LoadTest(Value):
    """A Job that loads the fleet and passes or fails by its SLOs."""

    enabled: bool = False
    users: Annotated[int, Field(ge=1, le=100_000)] = 100
    duration: Annotated[str, Field(pattern=r"^[0-9]+(s|m|h)$")] = "5m"
    retries: Count = 0
    key: SecretKey = SecretKey()
    """A key of the gateway's."""
