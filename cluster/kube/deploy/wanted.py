"""What a rendered release asks of a cluster: pods, secrets, claims, images, kinds of objects.

Read from what Helm renders, not from the fleet file, so that what is checked is what would be applied. Pure.
Neighbour: :mod:`cluster.kube.deploy.preflight` compares it with the cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from cluster.kube.gpus.fit import Toleration, Wanted
from cluster.kube.gpus.inventory import is_gpu, requests

Object = dict[str, Any]
MODEL = "freehold.dev/model"
COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of pod in a release."""

    owner: str
    """``Deployment/fleet-gateway``, ``RayService/fleet-llama (replicas)``."""
    count: int
    spec: Object

    def wanted(self) -> Wanted:
        """The same for the fit."""
        asked = requests(self.spec)
        tolerations = tuple(
            Toleration(*(one.get(key) or default for key, default in _TOLERATION.items()))
            for one in self.spec.get("tolerations") or ()
        )
        gpu = next((name for name in asked if is_gpu(name)), "")
        return Wanted(self.owner, self.count, asked, self.spec.get("nodeSelector") or {}, tolerations, gpu)


_TOLERATION = {"key": "", "operator": "Equal", "value": "", "effect": ""}


def templates(rendered: Iterable[Object]) -> tuple[Template, ...]:
    """Every kind of pod, with how many start at first."""
    objects = tuple(rendered)
    least = {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"].get("minReplicas", item["spec"].get("minReplicaCount", 1))
        for item in objects
        if item["kind"] in {"HorizontalPodAutoscaler", "ScaledObject"}
    }
    return tuple(template for item in objects for template in _templates(item, least))


def _templates(item: Object, least: dict[str, int]) -> Iterator[Template]:
    spec, owner = item.get("spec") or {}, name_of(item)
    if item["kind"] == "RayService":
        cluster = spec["rayClusterConfig"]
        yield Template(f"{owner} (head)", 1, cluster["headGroupSpec"]["template"]["spec"])
        for group in cluster.get("workerGroupSpecs") or ():
            count = group.get("replicas", group.get("minReplicas", 1)) * group.get("numOfHosts", 1)
            yield Template(f"{owner} ({group['groupName']})", count, group["template"]["spec"])
    elif item["kind"] in {"Deployment", "StatefulSet"}:
        count = spec.get("replicas", least.get(item["metadata"]["name"], 1))
        yield Template(owner, count, spec["template"]["spec"])
    elif item["kind"] == "Job":
        yield Template(owner, spec.get("parallelism", 1), spec["template"]["spec"])


def name_of(item: Object) -> str:
    """``Kind/name``."""
    return f"{item['kind']}/{item['metadata']['name']}"


def _containers(spec: Object) -> Iterator[Object]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def secrets(rendered: Iterable[Object]) -> dict[str, dict[str, str]]:
    """Secrets that pods and Ingresses name: name → key → who needs it. A key may be empty: only the Secret matters."""
    objects = tuple(rendered)
    found: dict[str, dict[str, str]] = {}
    for template in templates(objects):
        for container in _containers(template.spec):
            for variable in container.get("env") or ():
                source = (variable.get("valueFrom") or {}).get("secretKeyRef")
                if source and not source.get("optional"):
                    found.setdefault(source["name"], {}).setdefault(
                        source["key"], f"{variable['name']} of {template.owner}"
                    )
        for pull in template.spec.get("imagePullSecrets") or ():
            found.setdefault(pull["name"], {}).setdefault("", f"imagePullSecrets of {template.owner}")
    for item in objects:
        spec = item.get("spec") or {}
        if item["kind"] == "Ingress":
            for tls in spec.get("tls") or ():
                found.setdefault(tls["secretName"], {}).setdefault("tls.crt", f"tls of {name_of(item)}")
        token = ((spec.get("rayClusterConfig") or {}).get("authOptions") or {}).get("secretName")
        if token:
            found.setdefault(token, {}).setdefault("auth_token", f"authOptions of {name_of(item)}")
    return found


def images(rendered: Iterable[Object]) -> dict[str, str]:
    """Images by who runs them first."""
    found: dict[str, str] = {}
    for template in templates(rendered):
        for container in _containers(template.spec):
            found.setdefault(container["image"], template.owner)
    return found


def is_pinned(image: str) -> bool:
    """Whether an image's name says which one it is: a digest, or a tag that is not ``latest``."""
    name, _, digest = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return bool(digest) or tag not in {"", "latest"}


def claims(rendered: Iterable[Object]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Claims that would be made, by name with their storage class (empty: the default), and those that must exist."""
    objects = tuple(rendered)
    made = {
        item["metadata"]["name"]: item["spec"].get("storageClassName") or ""
        for item in objects
        if item["kind"] == "PersistentVolumeClaim"
    }
    named = {
        volume["persistentVolumeClaim"]["claimName"]
        for template in templates(objects)
        for volume in template.spec.get("volumes") or ()
        if "persistentVolumeClaim" in volume
    }
    return made, tuple(sorted(named - made.keys()))


def kinds(rendered: Iterable[Object]) -> tuple[tuple[str, str], ...]:
    """``(apiVersion, kind)`` of everything, each once."""
    return tuple(dict.fromkeys((item["apiVersion"], item["kind"]) for item in rendered))
