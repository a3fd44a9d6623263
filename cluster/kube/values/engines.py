"""Engines in the chart's values: how they are run, on which GPUs, and where their weights lie."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from cluster.kube.values.base import Count, Object, Quantity, Resources, Seconds, SecretKey, Value


class Mode(StrEnum):
    """What runs a model."""

    RAY = "ray"
    """A RayService of its own: autoscaling, several nodes for one replica, upgrades beside the old version."""
    PLAIN = "plain"
    """A Deployment of vLLM servers, without Ray and without an operator; for a few nodes."""
    SIMULATED = "simulated"
    """A Deployment of simulated engines: the whole control plane without a GPU."""


class Upgrade(StrEnum):
    """What happens to a Ray cluster whose description changed (KubeRay's names)."""

    NONE = "None"
    """Nothing; only Serve's own configuration is updated in place."""
    NEW_CLUSTER = "NewCluster"
    """A second cluster is started, then traffic moves; needs as many GPUs again meanwhile."""
    INCREMENTAL = "NewClusterWithIncrementalUpgrade"
    """The same in steps, by a Gateway of the Gateway API."""


class UpgradeStrategy(Value):
    """How a new version takes over."""

    type: Upgrade = Upgrade.NONE
    spare_gpus: Count = 0
    """GPUs that are free for the second cluster; a new cluster that could never start is refused."""
    gateway_class: str = ""
    """For steps: the GatewayClass."""
    step_percent: Annotated[int, Field(ge=1, le=100)] = 20
    surge_percent: Annotated[int, Field(ge=1, le=100)] = 100
    interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = 30

    @model_validator(mode="after")
    def _steps_fit(self) -> Self:
        if self.step_percent > self.surge_percent:
            msg = f"stepPercent {self.step_percent} is above surgePercent {self.surge_percent}"
            raise ValueError(msg)
        if self.type is Upgrade.INCREMENTAL and not self.gateway_class:
            msg = "gatewayClass is needed for NewClusterWithIncrementalUpgrade"
            raise ValueError(msg)
        return self


class FaultTolerance(Value):
    """Ray's memory of itself outside of its head pod, so that a new head takes the replicas over."""

    redis: str = ""
    """``host:port`` of a Redis; empty: none, and a lost head stops scaling until the cluster is made anew."""
    password: SecretKey = SecretKey()


class Ray(Value):
    """Ray clusters, one for each model."""

    version: str = "2.60.0"
    """Must be the image's."""
    upgrade: UpgradeStrategy = UpgradeStrategy()
    fault_tolerance: FaultTolerance = FaultTolerance()
    token_secret: str = ""
    """A Secret with the key ``auth_token``; where it is empty, KubeRay makes one for each cluster."""
    ha_proxy: bool = True
    """HAProxy instead of Ray's own proxy, and replicas that answer HTTP themselves: a tenth of the CPU per request."""
    idle_timeout_seconds: Seconds = 300
    """After which an empty worker pod goes."""
    head: Resources = Resources(requests={"cpu": "1", "memory": "4Gi"}, limits={"memory": "8Gi"})
    operator_namespace: str = "kuberay-system"
    """Where the KubeRay operator runs: the only one besides the cluster itself that may reach a head's ports."""


class GpuProfile(Value):
    """Where pods with one type of GPU go, and what they ask for."""

    resource: Annotated[str, Field(min_length=1)] = "nvidia.com/gpu"
    """The extended resource: ``amd.com/gpu``, ``nvidia.com/mig-3g.40gb`` …"""
    node_selector: dict[str, str | None] = Field(default={})
    """Labels of its nodes; null takes one away that ``freehold helm-values`` has named."""
    tolerations: tuple[Object, ...] = ({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},)
    runtime_class_name: str = ""
    """Empty: the nodes' own; ``nvidia`` where the runtime is not the default one, as in k3s."""
    affinity: Object = Field(default={})
    """As in a pod; such as the pods of one replica in one NVLink domain."""
    spread: tuple[str, ...] = ("kubernetes.io/hostname",)
    """Node labels over whose values a model's pods are spread where there is room; empty: packed."""
    cpu: Quantity = "8"
    """Requested for each GPU."""
    memory: Quantity = "64Gi"
    """Requested and allowed for each GPU; weights pass through it while they are loaded."""


class CacheType(StrEnum):
    """Where weights lie."""

    CREATE = "create"
    """A PersistentVolumeClaim that the chart makes and an uninstall keeps."""
    EXISTING = "existing"
    """A PersistentVolumeClaim that is there."""
    HOST_PATH = "hostPath"
    """A directory of each node."""
    NONE = "none"
    """The pod's own disk: every start downloads anew."""


class Weights(Value):
    """The models' weights."""

    type: CacheType = CacheType.NONE
    size: Quantity = "300Gi"
    storage_class: str = ""
    """Empty: the cluster's default."""
    access_mode: str = "ReadWriteMany"
    """``ReadWriteOnce`` is enough for a single node."""
    claim: str = ""
    """For ``existing``."""
    path: str = ""
    """For ``hostPath``."""
    prefetch: bool = True
    """A Job downloads the weights once; engines then run offline, and no model pod needs a route out."""
    offline: bool = True
    """Engines never ask the hub. Off where they are to download by themselves, which the network policy must allow."""
    hub: str = ""
    """Address of a mirror of the hub, for the Job; empty: the hub itself."""
    hub_token: SecretKey = SecretKey()
    """For gated models; only the Job gets it."""


class ModelRelease(Value):
    """A model that runs in the cluster; generated from the fleet file, not written by hand."""

    name: str
    """As in the fleet file."""
    slug: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,26}[a-z0-9])?$")]
    """The same as a part of Kubernetes' names."""
    spec: dict[str, JsonValue]
    """The model's section of the fleet file."""
    promises: dict[str, JsonValue] = Field(default={})
    """The fleet file's ``slo`` and ``traffic``, by which replicas are scaled."""
    gpu: str
    """A key of ``engines.gpuProfiles``, or ``cpu``."""
    gpus: Count
    """GPUs per replica, all its pods together."""
    hosts: Annotated[int, Field(ge=1, le=64)] = 1
    """Pods per replica; more than one where a model needs more GPUs than a node has."""
    cpus: Annotated[float, Field(gt=0, le=1024)] = 1
    """CPU cores per replica, on ``cpu``."""
    min_replicas: Count = 1
    max_replicas: Annotated[int, Field(ge=1, le=10_000)] = 1


class Keda(Value):
    """KEDA scales plain engines by their queue, as Prometheus sees it."""

    enabled: bool = False
    prometheus: str = ""
    """Prometheus' address; needed when it is enabled."""
    waiting_per_replica: Annotated[int, Field(ge=1, le=100_000)] = 4
    """Requests that may wait at a replica before another one is added."""


class Engines(Value):
    """Everything that runs models."""

    mode: Mode = Mode.RAY
    ray: Ray = Ray()
    keda: Keda = Keda()
    gpu_profiles: dict[str, GpuProfile] = Field(default={})
    """By the GPU's name in the fleet file."""
    gpus_per_node: Annotated[int, Field(ge=1, le=64)] = 8
    """A replica that needs more is spread over several pods."""
    weights: Weights = Weights()
    shared_memory: Quantity = "16Gi"
    """``/dev/shm``, through which tensor-parallel workers talk; counts as the pod's memory."""
    load_seconds: Annotated[int, Field(ge=10, le=86_400)] = 1800
    """How long weights may take to load before a start counts as failed."""
    longest_answer_seconds: Annotated[int, Field(ge=10, le=86_400)] = 1800
    """How long an engine that is told to end may take for the answers under way; ``gateway.deadlines.total``."""
    leave_seconds: Seconds = 35
    """How long an engine that is to end still takes requests: until no gateway keeps a connection to it
    (``gateway.limits.reuse_seconds``), and five more."""
