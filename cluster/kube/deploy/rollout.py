"""What has become of a release: for the gateway and each model how many pods there are, what they do, and why not more.

Pure over live objects. Reasons are told in the words of whoever gave them: the scheduler for a pod without a node, the
controller for pods that a quota forbids, the kubelet for images, the operator for a Ray cluster. Neighbour:
:mod:`cluster.kube.deploy.live` brings the objects.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from cluster.kube.deploy.wanted import COMPONENT, MODEL

Object = dict[str, Any]
_STARTING = {"", "ContainerCreating", "PodInitializing"}


class Phase(StrEnum):
    """Where something stands, the worst first."""

    FAILING = "failing"
    """Something ends again and again, or cannot start; waiting does not help."""
    REFUSED = "no pods"
    """The cluster does not let its pods be made."""
    PENDING = "no node"
    """A pod waits for a node."""
    FETCHING = "weights"
    """It waits for the Job that downloads them."""
    STARTING = "starting"
    """Its image is fetched, its container made."""
    LOADING = "loading"
    """It runs and does not answer yet."""
    UPDATING = "updating"
    """It answers, but not everywhere in the version that was asked for."""
    READY = "ready"
    DONE = "done"
    """A Job that has ended well."""


@dataclass(frozen=True, slots=True)
class Row:
    """The gateway, a model, or a Job."""

    name: str
    """The model's, or ``gateway``."""
    workload: str
    """``Deployment/fleet-gateway``."""
    wanted: int
    ready: int
    phase: Phase
    reason: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether nothing needs to be waited for."""
        return self.phase in {Phase.READY, Phase.DONE}


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that is known of a release at one moment."""

    workloads: tuple[Object, ...]
    """Deployments, RayServices and Jobs."""
    pods: tuple[Object, ...]
    events: tuple[Object, ...] = ()
    """Warnings of the namespace."""
    progress: Mapping[str, str] = field(default_factory=dict)
    """How far a pod's start has come, by the pod's name."""


def rows(seen: Seen, names: Mapping[str, str], expected: Iterable[tuple[str, str]] = ()) -> tuple[Row, ...]:
    """A row for each workload; ``names`` gives a model's name by its slug, ``expected`` are kinds and names to come."""
    live = {(item["kind"], item["metadata"]["name"]): item for item in seen.workloads}
    order = dict.fromkeys([*expected, *live])
    found = [_row(live[key], seen, names) if key in live else _absent(*key) for key in order]
    return tuple(sorted(found, key=lambda row: (row.name == "gateway", row.workload)))


def _absent(kind: str, name: str) -> Row:
    return Row(name, f"{kind}/{name}", 0, 0, Phase.STARTING, "not there yet")


def _row(item: Object, seen: Seen, names: Mapping[str, str]) -> Row:
    pods = [pod for pod in seen.pods if _owns(item, pod) and not pod["metadata"].get("deletionTimestamp")]
    wanted = _wanted(item)
    ready = sum(map(is_ready, pods))
    phase, reason = _settled(item, ready) or _unsettled(item, pods, seen)
    labels = item["metadata"].get("labels") or {}
    name = names.get(labels.get(MODEL, ""), labels.get(MODEL, "")) or labels.get(COMPONENT) or item["metadata"]["name"]
    return Row(name, f"{item['kind']}/{item['metadata']['name']}", wanted, ready, phase, reason)


def _owns(item: Object, pod: Object) -> bool:
    labels = pod["metadata"].get("labels") or {}
    if item["kind"] == "Job":
        return bool(labels.get("job-name") == item["metadata"]["name"])
    if item["kind"] == "RayService":
        return bool(labels.get(MODEL) == (item["metadata"].get("labels") or {}).get(MODEL))
    wanted = item["spec"]["selector"]["matchLabels"]
    return all(labels.get(key) == value for key, value in wanted.items())


def _wanted(item: Object) -> int:
    spec = item["spec"]
    if item["kind"] == "RayService":
        groups = spec["rayClusterConfig"].get("workerGroupSpecs") or ()
        return 1 + sum(int(one.get("replicas") or 0) * int(one.get("numOfHosts") or 1) for one in groups)
    return int(spec.get("replicas", spec.get("completions", 1)) or 0)


def _settled(item: Object, ready: int) -> tuple[Phase, str] | None:
    """Its phase, where its controller says that all is as asked for."""
    status = item.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    if item["kind"] == "Job":
        return (Phase.DONE, "") if conditions.get("Complete", {}).get("status") == "True" else None
    if status.get("observedGeneration", 0) < item["metadata"].get("generation", 0):
        return None
    if item["kind"] == "RayService":
        said = conditions.get("Ready", {}).get("status") == "True"
        return (Phase.READY, "") if said and conditions.get("UpgradeInProgress", {}).get("status") != "True" else None
    wanted = _wanted(item)
    new, old = status.get("updatedReplicas", 0), status.get("replicas", 0)
    if min(new, status.get("availableReplicas", 0)) < wanted:
        return None
    if old > new:
        return Phase.UPDATING, f"{old - new} of the old version still end"
    return Phase.READY, "" if ready >= wanted else "its pods are not all seen yet"


def _unsettled(item: Object, pods: list[Object], seen: Seen) -> tuple[Phase, str]:
    waiting = [pod for pod in pods if not is_ready(pod)]
    if waiting:
        found = [_pod(pod, seen) for pod in waiting]
        return min(found, key=lambda one: list(Phase).index(one[0]))
    told = _told(item, seen)
    if not pods and told:
        return Phase.REFUSED, told
    return (Phase.UPDATING, told) if pods else (Phase.STARTING, told or "its controller has made no pod yet")


def is_ready(pod: Object) -> bool:
    """Whether its kubelet says that a pod answers."""
    conditions = {one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True"


def _pod(pod: Object, seen: Seen) -> tuple[Phase, str]:
    status = pod.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    scheduled = conditions.get("PodScheduled", {})
    if not pod["spec"].get("nodeName"):
        return Phase.PENDING, scheduled.get("message") or _event(pod["metadata"]["name"], seen) or "not scheduled yet"
    trouble = _trouble(status)
    if trouble:
        return Phase.FAILING, trouble
    begun = [one for one in status.get("initContainerStatuses") or () if "running" in (one.get("state") or {})]
    if begun:
        return Phase.FETCHING, f"waits for {begun[0]['name']}"
    name = pod["metadata"]["name"]
    running = [one for one in status.get("containerStatuses") or () if "running" in (one.get("state") or {})]
    if running:
        return Phase.LOADING, seen.progress.get(name, "") or f"{name} does not answer yet"
    return Phase.STARTING, _event(name, seen) or f"on {pod['spec']['nodeName']}"


def _trouble(status: Object) -> str:
    """What a container that cannot start, or has ended, says of itself."""
    if status.get("phase") == "Failed":
        return str(status.get("message") or status.get("reason") or "the pod failed")
    for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason", "") not in _STARTING:
            last = ((one.get("lastState") or {}).get("terminated") or {}).get("reason", "")
            ended = f", it ended with {last}" if last else ""
            return f"{waiting['reason']} of {one['name']}{ended}: {waiting.get('message', '')}".rstrip(": ")
    return ""


def _told(item: Object, seen: Seen) -> str:
    """What its controllers say of why there are no pods, or no readiness."""
    bad = {"ReplicaFailure": "True", "Failed": "True", "Ready": "False", "RayServiceReady": "False"}
    for one in (item.get("status") or {}).get("conditions") or ():
        if bad.get(one["type"]) == one.get("status") and one.get("message"):
            return str(one["message"])
    return _event(item["metadata"]["name"], seen)


def _event(name: str, seen: Seen) -> str:
    """The newest warning about an object, or about one that was made of it."""
    about = [one for one in seen.events if one["involvedObject"].get("name", "").startswith(name)]
    newest = max(about, key=lambda one: one.get("lastTimestamp") or one.get("eventTime") or "", default=None)
    return str(newest.get("message") or "") if newest else ""
