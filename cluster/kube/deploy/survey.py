"""What a cluster has, as far as this user may know: asked once, before anything is applied.

None stands for what the user has no right to see; the checks then say that they could not check. Neighbour:
:mod:`cluster.kube.deploy.preflight`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from cluster.errors import KubernetesError
from cluster.kube.deploy.wanted import claims, kinds, name_of, secrets
from cluster.kube.follow import Listed
from cluster.kube.gpus.inventory import Amounts, Node, amount, nodes_of, requests

Object = dict[str, Any]
Found = TypeVar("Found")
INSTANCE = "app.kubernetes.io/instance"
OPERATOR_NAMESPACE = "kuberay-system"
MANAGER = "freehold"
"""Who applies, in the API server's books."""


class Asked(Protocol):
    """What is asked; :class:`cluster.kube.api.Api` is one."""

    def get(self, path: str, **query: str) -> Object:
        """One object."""

    def find(self, path: str) -> Object | None:
        """One object, or None."""

    def list(self, path: str, **query: str) -> Listed:
        """All of a kind."""

    def apply_dry(self, path: str, body: Object, manager: str) -> Object:
        """What it would be."""


@dataclass(frozen=True, slots=True)
class Quota:
    """A namespace's ResourceQuota."""

    name: str
    hard: Amounts
    used: Amounts


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the API server would not take an object."""

    why: str
    lacks_right: bool
    """Whether it is this user whom it would not take it from."""


@dataclass(frozen=True, slots=True)
class Kinds:
    """What the API server serves: ``(apiVersion, kind)`` → its path's last part and whether it lives in a namespace."""

    served: Mapping[tuple[str, str], tuple[str, bool]]
    groups: tuple[str, ...]
    """All its group versions, as Helm wants them."""
    version: str
    """Kubernetes' own."""

    def path(self, item: Object, namespace: str) -> str:
        """Where an object is, or would be."""
        plural, namespaced = self.served[item["apiVersion"], item["kind"]]
        root = root_of(item["apiVersion"])
        where = f"{root}/namespaces/{namespace}" if namespaced else root
        return f"{where}/{plural}/{item['metadata']['name']}"


@dataclass(frozen=True, slots=True)
class Facts:
    """A cluster as preflight sees it."""

    namespace_exists: bool
    nodes: tuple[Node, ...] | None
    """Without what the release itself holds already."""
    own: Amounts
    """What the release holds already."""
    quotas: tuple[Quota, ...] | None
    storage_classes: Mapping[str, bool] | None
    """Name → whether it is the default."""
    secrets: Mapping[str, frozenset[str]] | None
    """Those that the release names and that are there, with their keys."""
    claims: frozenset[str]
    """Those that the release names and that are there."""
    operators: tuple[str, ...] | None
    """KubeRay operators' images."""
    refusals: Mapping[str, Refusal]
    """Objects that the API server would not take."""


def root_of(version: str) -> str:
    """``/api/v1``, ``/apis/apps/v1``."""
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def discover(api: Asked, wanted: Iterable[str]) -> Kinds:
    """What the API server serves; kinds only of the ``wanted`` group versions."""
    groups = ["v1", *(one["groupVersion"] for group in api.get("/apis")["groups"] for one in group["versions"])]
    served = {}
    for version in wanted:
        if version in groups:
            for one in api.get(root_of(version)).get("resources", ()):
                if "/" not in one["name"]:
                    served[version, one["kind"]] = (one["name"], one["namespaced"])
    return Kinds(served, tuple(groups), str(api.get("/version")["gitVersion"]))


def survey(api: Asked, release: str, namespace: str, rendered: tuple[Object, ...]) -> tuple[Facts, Kinds]:
    """Ask for everything that the release depends on."""
    served = discover(api, dict.fromkeys(version for version, _ in kinds(rendered)))
    home = f"/api/v1/namespaces/{namespace}"
    exists = _allowed(lambda: api.find(home) is not None)
    own_pods = _allowed(lambda: api.list(f"{home}/pods", labelSelector=f"{INSTANCE}={release}").items) or ()
    made, named = claims(rendered)
    facts = Facts(
        namespace_exists=exists is not False,
        nodes=_allowed(lambda: read_nodes(api, {pod["metadata"]["uid"] for pod in own_pods})),
        own=_total(own_pods),
        quotas=_allowed(lambda: tuple(map(_quota, api.list(f"{home}/resourcequotas").items))),
        storage_classes=_allowed(lambda: _storage_classes(api)) if made else {},
        secrets=_allowed(lambda: _secrets(api, home, secrets(rendered))),
        claims=frozenset(name for name in named if api.find(f"{home}/persistentvolumeclaims/{name}")),
        operators=_operators(api),
        refusals=_refusals(api, served, namespace, release, rendered) if exists is not False else {},
    )
    return facts, served


def _allowed(ask: Callable[[], Found]) -> Found | None:
    try:
        return ask()
    except KubernetesError as exc:
        if exc.lacks_right:
            return None
        raise


def read_nodes(api: Asked, without: Iterable[str] = ()) -> tuple[Node, ...]:
    """All nodes with what pods hold, but for the pods whose uids are given."""
    left_out = set(without)
    pods = [pod for pod in api.list("/api/v1/pods").items if pod["metadata"]["uid"] not in left_out]
    return nodes_of(api.list("/api/v1/nodes").items, pods)


def _total(pods: Iterable[Object]) -> dict[str, float]:
    total: dict[str, float] = {}
    for pod in pods:
        for name, more in requests(pod["spec"]).items():
            total[name] = total.get(name, 0.0) + more
    return total


def _quota(item: Object) -> Quota:
    status = item.get("status") or {}
    hard, used = ({name: amount(value) for name, value in (status.get(key) or {}).items()} for key in ("hard", "used"))
    return Quota(item["metadata"]["name"], hard, used)


def _storage_classes(api: Asked) -> dict[str, bool]:
    mark = "storageclass.kubernetes.io/is-default-class"
    found = api.list("/apis/storage.k8s.io/v1/storageclasses").items
    return {item["metadata"]["name"]: (item["metadata"].get("annotations") or {}).get(mark) == "true" for item in found}


def _secrets(api: Asked, home: str, named: Iterable[str]) -> dict[str, frozenset[str]]:
    found = {name: api.find(f"{home}/secrets/{name}") for name in named}
    return {name: frozenset(item.get("data") or ()) for name, item in found.items() if item}


def _operators(api: Asked) -> tuple[str, ...] | None:
    for where in ("", f"/namespaces/{OPERATOR_NAMESPACE}"):
        found = _allowed(lambda where=where: api.list(f"/apis/apps/v1{where}/deployments").items)  # type: ignore[misc]
        if found is not None:
            images = [
                one["image"] for item in found for one in item["spec"]["template"]["spec"].get("containers") or ()
            ]
            return tuple(image for image in images if re.search(r"kuberay.*operator", image))
    return None


def _refusals(
    api: Asked, served: Kinds, namespace: str, release: str, rendered: Iterable[Object]
) -> dict[str, Refusal]:
    """Apply everything without applying it: rights, admission, unknown fields and other people's objects speak up."""
    refused = {}
    for item in rendered:
        if (item["apiVersion"], item["kind"]) not in served.served:
            continue
        try:
            would_be = api.apply_dry(served.path(item, namespace), item, MANAGER)
        except KubernetesError as exc:
            if not exc.status:
                raise
            refused[name_of(item)] = Refusal(str(exc), exc.lacks_right)
        else:
            if _is_others(would_be["metadata"], release):
                why = f"it is there already and does not belong to release {release!r}: delete it, or use --release"
                refused[name_of(item)] = Refusal(why, lacks_right=False)
    return refused


def _is_others(metadata: Object, release: str) -> bool:
    """Whether an object was there before, made by somebody else; Helm would stop half-way."""
    return bool(metadata.get("resourceVersion")) and not belongs(metadata, release)


def belongs(metadata: Object, release: str) -> bool:
    """Whether Helm made an object for this release."""
    return bool((metadata.get("annotations") or {}).get("meta.helm.sh/release-name") == release)
