"""Nodes as facts: what each could give, what its pods hold, and whether it takes more.

A pod holds what it requests from the moment that it is bound to a node until it ends, as the scheduler counts. Pure:
objects in as the API server gives them, facts out. Neighbour: :mod:`cluster.kube.gpus.fit`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Amounts = Mapping[str, float]
"""By resource: cores, bytes, GPUs, pods."""

PRODUCT = "nvidia.com/gpu.product"
"""The label by which NVIDIA's GPU feature discovery names a node's GPUs."""
PRODUCTS = {
    "A100": "NVIDIA-A100-SXM4-80GB",
    "A10G": "NVIDIA-A10G",
    "H100": "NVIDIA-H100-80GB-HBM3",
    "H200": "NVIDIA-H200",
    "L4": "NVIDIA-L4",
    "L40S": "NVIDIA-L40S",
    "T4": "Tesla-T4",
}
"""What it calls them, by the name that Ray knows."""
_GPU = re.compile(r"^(nvidia|amd|gpu\.intel|habana|google)\.[a-z./]*(gpu|mig-|gaudi|tpu|i915|xe)")
_UNITS = {
    "": 1.0,
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "k": 1e3,
    **{unit: 1e3**power for power, unit in enumerate("MGTPE", 2)},
} | {f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)}
_ENDED = {"Succeeded", "Failed"}
_BLOCKING = {"NoSchedule", "NoExecute"}
_UNWELL = {"MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable"}


def amount(quantity: str | float) -> float:
    """A quantity of Kubernetes as a number: ``500m`` is 0.5, ``64Gi`` are bytes."""
    if isinstance(quantity, int | float):
        return float(quantity)
    number, unit = re.fullmatch(r"([0-9.eE+-]*[0-9.])([A-Za-z]*)", quantity.strip()).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


def is_gpu(resource: str) -> bool:
    """Whether a resource's name is that of GPUs, or of parts of them."""
    return bool(_GPU.match(resource))


@dataclass(frozen=True, slots=True)
class Taint:
    """What keeps pods off a node unless they tolerate it."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        """As kubectl writes it."""
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


@dataclass(frozen=True, slots=True)
class Node:
    """One node."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    allocatable: Amounts
    held: Amounts
    """Requested by the pods that are bound to it."""
    ready: bool
    complaints: tuple[str, ...] = ()
    """Why it takes no more pods, or is not well, in the node's own words."""

    @property
    def free(self) -> dict[str, float]:
        """What is left of each resource, never below 0."""
        return {name: max(0.0, whole - self.held.get(name, 0.0)) for name, whole in self.allocatable.items()}

    @property
    def gpus(self) -> tuple[str, ...]:
        """Its resources that are GPUs, or parts of them."""
        return tuple(sorted(name for name, whole in self.allocatable.items() if is_gpu(name) and whole))

    @property
    def gpu_type(self) -> str:
        """What its GPUs are: the name that fleet files use where there is one, else the label, else empty."""
        return gpu_type(self.labels.get(PRODUCT, ""))


def gpu_type(product: str) -> str:
    """The name that fleet files use for a label's product; the label itself where there is none."""
    return next((name for name, label in PRODUCTS.items() if label == product), product)


@dataclass(frozen=True, slots=True)
class Pool:
    """All GPUs of one type and one resource name."""

    gpu: str
    resource: str
    nodes: int
    allocatable: int
    allocated: int
    free: int
    """On nodes that take pods."""
    largest_free: int
    """The most that a single pod could get."""
    fragmentation: float
    """Share of the free GPUs on nodes that are partly used: a pod that wants a whole node cannot have them."""


def nodes_of(nodes: Iterable[Object], pods: Iterable[Object]) -> tuple[Node, ...]:
    """Nodes with what ``pods`` hold on them."""
    held: dict[str, dict[str, float]] = {}
    for pod in pods:
        place = pod["spec"].get("nodeName")
        if place and pod.get("status", {}).get("phase") not in _ENDED:
            on = held.setdefault(place, {})
            for name, more in requests(pod["spec"]).items():
                on[name] = on.get(name, 0.0) + more
    return tuple(_node(item, held.get(item["metadata"]["name"], {})) for item in nodes)


def requests(spec: Object) -> dict[str, float]:
    """What a pod asks for: its containers together or its largest init container, whichever is more, and itself."""
    total: dict[str, float] = {}
    for container in spec.get("containers", ()):
        for name, more in _asked(container).items():
            total[name] = total.get(name, 0.0) + more
    for container in spec.get("initContainers", ()):
        for name, more in _asked(container).items():
            total[name] = max(total.get(name, 0.0), more)
    return total | {"pods": 1.0}


def _asked(container: Object) -> dict[str, float]:
    resources = container.get("resources") or {}
    asked = (resources.get("limits") or {}) | (resources.get("requests") or {})
    return {name: amount(value) for name, value in asked.items()}


def _node(item: Object, held: Amounts) -> Node:
    spec, status, labels = item.get("spec", {}), item.get("status", {}), item["metadata"].get("labels") or {}
    taints = tuple(
        Taint(taint["key"], taint.get("value") or "", taint["effect"])
        for taint in spec.get("taints") or ()
        if taint["effect"] in _BLOCKING
    )
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status") == "True"
    return Node(
        name=item["metadata"]["name"],
        labels=labels,
        taints=taints,
        allocatable={name: amount(value) for name, value in (status.get("allocatable") or {}).items()},
        held=held,
        ready=ready and not spec.get("unschedulable"),
        complaints=tuple(_complaints(conditions, ready=ready, cordoned=bool(spec.get("unschedulable")))),
    )


def _complaints(conditions: Mapping[str, Object], *, ready: bool, cordoned: bool) -> Iterable[str]:
    if not ready:
        said = conditions.get("Ready", {})
        yield f"not ready: {said.get('message') or said.get('reason') or 'it has not said why'}"
    if cordoned:
        yield "cordoned; kubectl uncordon lets pods in"
    for kind, one in conditions.items():
        bad = kind in _UNWELL or "gpu" in kind.lower() or "xid" in kind.lower()
        if bad and one.get("status") == "True":
            yield f"{kind}: {one.get('message') or one.get('reason') or ''}".rstrip(": ")


def pools(nodes: Iterable[Node]) -> tuple[Pool, ...]:
    """GPUs by type and resource, the largest first."""
    groups: dict[tuple[str, str], list[Node]] = {}
    for node in nodes:
        for resource in node.gpus:
            groups.setdefault((node.gpu_type, resource), []).append(node)
    found = [_pool(gpu, resource, members) for (gpu, resource), members in groups.items()]
    return tuple(sorted(found, key=lambda pool: (-pool.allocatable, pool.gpu, pool.resource)))


def _pool(gpu: str, resource: str, members: list[Node]) -> Pool:
    free = [int(node.free[resource]) if node.ready else 0 for node in members]
    partly = sum(left for left, node in zip(free, members, strict=True) if node.held.get(resource))
    return Pool(
        gpu=gpu,
        resource=resource,
        nodes=len(members),
        allocatable=int(sum(node.allocatable[resource] for node in members)),
        allocated=int(sum(node.held.get(resource, 0.0) for node in members)),
        free=sum(free),
        largest_free=max(free),
        fragmentation=partly / sum(free) if sum(free) else 0.0,
    )
