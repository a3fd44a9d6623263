"""Rules that every pod and every object of a release must obey; each gives what breaks it, by name.

Pods are all of them, those inside RayServices too, which checkers of manifests do not see. The restricted profile is
that of https://kubernetes.io/docs/concepts/security/pod-security-standards/.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.cluster.kube.rendered import Object, containers, pod_templates

Rule = Callable[[list[Object]], Iterator[str]]
_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
_SECRET = re.compile(r"KEY$|TOKEN$|PASSWORD|SECRET|PEPPER|DATABASE_URL")
_LABELS = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
}
_LONGEST = {"RayService": 47}
_FORBIDDEN = {"Secret", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def restricted_pods(items: list[Object]) -> Iterator[str]:
    """The pod's part of the restricted profile."""
    for name, template in pod_templates(items):
        pod = template["spec"]
        security = pod["securityContext"]
        if security.get("runAsNonRoot") is not True or security.get("runAsUser", 0) == 0:
            yield f"{name}: may run as root"
        if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name}: no seccomp profile"
        if {"sysctls", "seLinuxOptions", "windowsOptions", "appArmorProfile"} & security.keys():
            yield f"{name}: sets what the profile restricts"
        if {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & pod.keys():
            yield f"{name}: shares a namespace with its node"
        for volume in pod.get("volumes", []):
            if not _VOLUMES & volume.keys():
                yield f"{name}: volume {volume['name']} is none that the profile allows"


def restricted_containers(items: list[Object]) -> Iterator[str]:
    """The containers' part, and a read-only root."""
    for name, container in containers(items):
        security = container.get("securityContext", {})
        if security.get("allowPrivilegeEscalation") is not False or security.get("privileged"):
            yield f"{name}: may gain rights"
        if security.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{name}: keeps capabilities"
        if security.get("readOnlyRootFilesystem") is not True:
            yield f"{name}: may write to its root"
        if "procMount" in security or [port for port in container.get("ports", []) if "hostPort" in port]:
            yield f"{name}: takes something of its node"


def bounded(items: list[Object]) -> Iterator[str]:
    """CPU and memory are requested, and memory has a limit; no CPU limit, which would only throttle."""
    for name, container in containers(items):
        resources = container.get("resources", {})
        if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
            yield f"{name}: {resources}"


def pinned(items: list[Object]) -> Iterator[str]:
    """One version of an image, which is pulled once."""
    for name, container in containers(items):
        if not re.search(r"(:(?!latest$)[\w.-]+|@sha256:[0-9a-f]{64})$", container["image"].rpartition("/")[2]):
            yield f"{name}: {container['image']}"
        if container.get("imagePullPolicy", "IfNotPresent") != "IfNotPresent":
            yield f"{name}: pulls {container['imagePullPolicy']}"


def without_rights(items: list[Object]) -> Iterator[str]:
    """Only a Ray head, whose autoscaler asks the API server for pods, has a token; the chart grants nothing."""
    for name, template in pod_templates(items):
        if template["spec"].get("automountServiceAccountToken") is not False and not name.endswith("/head"):
            yield f"{name}: has a service account's token"
    yield from (f"{item['kind']}: not to be made" for item in items if item["kind"] in _FORBIDDEN)


def without_secrets(items: list[Object]) -> Iterator[str]:
    """Secrets are named, never written."""
    for name, container in containers(items):
        for variable in container.get("env", []):
            if _SECRET.search(variable["name"]) and "secretKeyRef" not in variable.get("valueFrom", {}):
                yield f"{name}: {variable['name']}"


def probed(items: list[Object]) -> Iterator[str]:
    """Servers say when they have started, are ready, and are dead, and end in an order; KubeRay adds its own probes."""
    for item in items:
        if item["kind"] != "Deployment":
            continue
        pod = item["spec"]["template"]["spec"]
        for container in pod["containers"]:
            missing = {"startupProbe", "readinessProbe", "livenessProbe", "lifecycle"} - container.keys()
            yield from (f"{item['metadata']['name']}: no {one}" for one in sorted(missing))
            if container["startupProbe"].get("initialDelaySeconds", 0) > 1:
                yield f"{item['metadata']['name']}: waits before it looks"
        if pod["terminationGracePeriodSeconds"] <= 1800:
            yield f"{item['metadata']['name']}: is killed before the longest answer ends"


def selected(items: list[Object]) -> Iterator[str]:
    """Whatever selects pods selects some; Deployments select by what never changes."""
    labels = [template["metadata"]["labels"] for _, template in pod_templates(items)]
    for item in items:
        spec = item.get("spec", {})
        wanted = spec.get("selector") if item["kind"] == "Service" else (spec.get("selector") or {}).get("matchLabels")
        if item["kind"] == "NetworkPolicy":
            wanted = spec["podSelector"].get("matchLabels")
        if wanted and item["kind"] != "ServiceMonitor" and not [one for one in labels if wanted.items() <= one.items()]:
            yield f"{item['kind']}/{item['metadata']['name']}: selects nothing"
        if wanted and item["kind"] == "Deployment" and {"app.kubernetes.io/version", "helm.sh/chart"} & wanted.keys():
            yield f"{item['metadata']['name']}: cannot be upgraded"


def walled(items: list[Object]) -> Iterator[str]:
    """Every pod has a policy that says who may come in, and where it may go."""
    policies = [item["spec"] for item in items if item["kind"] == "NetworkPolicy"]
    for name, template in pod_templates(items):
        own = [one for one in policies if _applies(one["podSelector"], template["metadata"]["labels"])]
        if policies and {kind for one in own for kind in one["policyTypes"]} != {"Ingress", "Egress"}:
            yield f"{name}: no policy for both ways"


def _applies(selector: Object, labels: dict[str, str]) -> bool:
    expressions = selector.get("matchExpressions", [])
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(one["key"]) in one["values"] for one in expressions
    )


def drainable(items: list[Object]) -> Iterator[str]:
    """No budget keeps a node from ever being drained: of the fewest pods that there may be, one replica's may go."""
    fewest = {name: count for item in items for name, count in _fewest(item)}
    for item in items:
        if item["kind"] == "PodDisruptionBudget":
            name, spec = item["metadata"]["name"], item["spec"]
            if spec.get("maxUnavailable") == 0 or spec.get("minAvailable", 0) >= fewest[name]:
                yield f"{name}: {spec}"


def _fewest(item: Object) -> Iterator[tuple[str, int]]:
    """A workload, and how many pods it has at least."""
    name, spec = item["metadata"]["name"], item.get("spec", {})
    if item["kind"] == "RayService":
        group = spec["rayClusterConfig"]["workerGroupSpecs"][0]
        yield name, group["minReplicas"] * group["numOfHosts"]
    elif item["kind"] in {"Deployment", "HorizontalPodAutoscaler"}:
        count = spec.get("replicas", spec.get("minReplicas"))
        yield from [(name, count)] if count is not None else []


def labelled(items: list[Object]) -> Iterator[str]:
    """The recommended labels on every object, and names that Kubernetes and KubeRay take."""
    for item in items:
        name = f"{item['kind']}/{item['metadata']['name']}"
        if not item["metadata"].get("labels", {}).keys() >= _LABELS:
            yield f"{name}: labels"
        if len(item["metadata"]["name"]) > _LONGEST.get(item["kind"], 63):
            yield f"{name}: too long"


RULES: tuple[Rule, ...] = (
    restricted_pods,
    restricted_containers,
    bounded,
    pinned,
    without_rights,
    without_secrets,
    probed,
    selected,
    walled,
    drainable,
    labelled,
)
