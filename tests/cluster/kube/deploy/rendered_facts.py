"""A small release as Helm renders it, and a cluster that has all that it wants."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cluster.kube.deploy.checks import Check, Request, Verdict
from cluster.kube.deploy.preflight import check
from cluster.kube.deploy.survey import Facts, Kinds
from cluster.kube.gpus.inventory import nodes_of
from cluster.load import parse_fleet
from cluster.spec import Fleet
from tests.cluster.kube.objects import GPU, Object, node

IMAGE = "ghcr.io/freehold/freehold:0.1.0"
PLURALS = {"Deployment": "deployments", "RayService": "rayservices", "PersistentVolumeClaim": "persistentvolumeclaims"}


def fleet(gpu: str = "H200") -> Fleet:
    """One model."""
    text = f"models: {{ a: {{ source: x/y, accelerator: {{ type: {gpu}, count: 2 }} }} }}\ntiers: {{ small: [a] }}\n"
    return parse_fleet(f"name: f\n{text}".encode(), "fleet.yaml")


def template(image: str = IMAGE, gpus: int = 0, **spec: Any) -> Object:  # noqa: ANN401 - JSON
    """A pod's template."""
    asked = {"cpu": "1", "memory": "1Gi"} | ({GPU: str(gpus)} if gpus else {})
    container: Object = {"name": "main", "image": image, "resources": {"requests": asked, "limits": {"memory": "2Gi"}}}
    tolerations = [{"key": GPU, "operator": "Exists", "effect": "NoSchedule"}]
    return {"spec": {"containers": [container | spec.pop("container", {})], "tolerations": tolerations} | spec}


def deployment(name: str = "freehold-gateway", replicas: int = 1, **spec: Any) -> Object:  # noqa: ANN401 - JSON
    """A Deployment."""
    body = {"replicas": replicas, "template": template(**spec)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def ray_service(replicas: int = 2, hosts: int = 1, gpus: int = 2) -> Object:
    """A RayService."""
    group = {"groupName": "replicas", "replicas": replicas, "numOfHosts": hosts, "template": template(gpus=gpus)}
    inner = {"headGroupSpec": {"template": template()}, "workerGroupSpecs": [group]}
    body = {"rayClusterConfig": inner}
    return {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "freehold-a"}, "spec": body}


def facts(**change: Any) -> Facts:  # noqa: ANN401 - any of its fields
    """A cluster of two nodes with eight H200 each."""
    whole = Facts(
        namespace_exists=True,
        nodes=nodes_of([node("gpu-1"), node("gpu-2")], []),
        own={},
        quotas=(),
        storage_classes={"fast": True},
        secrets={},
        claims=frozenset(),
        operators=("quay.io/kuberay/operator:v1.7.0",),
        refusals={},
    )
    return replace(whole, **change)


def checked(*rendered: Object, facts: Facts, served: bool = True, **change: Any) -> dict[str, Check]:  # noqa: ANN401 - any
    """What came of each check that does not hold."""
    asked = Request(fleet(), "freehold", "llm", rendered, (3, 18))
    known = {(item["apiVersion"], item["kind"]): (PLURALS[item["kind"]], True) for item in rendered if served}
    found = check(replace(asked, **change), facts, Kinds(known, (), "v1.34.0"))
    return {one.name: one for one in found if one.verdict is not Verdict.HOLDS}
