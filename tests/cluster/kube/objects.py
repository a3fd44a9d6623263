"""Kubernetes objects as an API server gives them, as small as a test can do with."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]
GPU = "nvidia.com/gpu"


def node(name: str, gpus: int = 8, product: str = "NVIDIA-H200", **more: Object) -> Object:
    """A node with GPUs, their usual taint, 64 cores and 512 GiB."""
    allocatable = {"cpu": "64", "memory": "512Gi", "pods": "110"} | ({GPU: str(gpus)} if gpus else {})
    taints = [{"key": GPU, "value": "present", "effect": "NoSchedule"}] if gpus else []
    labels = {"nvidia.com/gpu.product": product} if gpus else {}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"taints": taints} | more.get("spec", {}),
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}
        | more.get("status", {}),
    }


def pod(name: str, on: str = "", gpus: int = 0, phase: str = "Running", **more: Object) -> Object:
    """A pod of one container."""
    resources = {"requests": {"cpu": "1", "memory": "1Gi"} | ({GPU: str(gpus)} if gpus else {})}
    spec: Object = {"containers": [{"name": "main", "resources": resources}]} | ({"nodeName": on} if on else {})
    return {
        "metadata": {"name": name, "uid": name} | more.get("metadata", {}),
        "spec": spec | more.get("spec", {}),
        "status": {"phase": phase} | more.get("status", {}),
    }


def ready_pod(name: str, labels: dict[str, str], *, ready: bool = True, **status: Any) -> Object:  # noqa: ANN401 - JSON
    """A pod on a node that is ready, or is not."""
    told = [{"type": "Ready", "status": str(ready)}, {"type": "PodScheduled", "status": "True"}]
    return pod(name, on="gpu-1", metadata={"labels": labels}, status={"conditions": told} | status)
