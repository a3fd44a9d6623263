"""A stand-in for the KubeRay operator: what its documentation promises of a RayService, with pods that simulate.

``python -m tests.kubernetes.kuberay --namespace N [--hurry H]``, until SIGTERM. From
https://docs.ray.io/en/latest/cluster/kubernetes/user-guides/rayservice.html and its API reference:

* A RayService gets a RayCluster of its own, and one Service each for Serve (only pods that serve) and for the head.
* Another ``rayClusterConfig`` makes, with ``NewCluster``, a second RayCluster; when Serve is ready there, and not
  before, the Services select it, and the old one is deleted after ``rayClusterDeletionDelaySeconds``. With ``None``
  nothing happens. How many workers there may be is no other configuration.
* Another ``serveConfigV2`` alone is sent to the cluster that runs.

Not covered: autoscaling, incremental upgrades, several worker groups, a Serve configuration sent to a running cluster.
``--hurry`` divides the deletion's delay.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

RAY = ("ray.io", "v1")
HASH = "ray.io/cluster-hash"
SERVICE = "ray.io/originated-from-cr-name"
WORKER = Path(__file__).with_name("ray_worker.py")
HEAD = "trap 'exit 0' TERM; sleep infinity & wait"
Object = dict[str, Any]


class Operator:
    """Reconciles the RayServices of one namespace."""

    def __init__(self, namespace: str, hurry: float) -> None:
        """Reads the kubeconfig of the environment."""
        config.load_kube_config()
        self._custom, self._core = client.CustomObjectsApi(), client.CoreV1Api()
        self._namespace, self._hurry = namespace, hurry
        self._doomed: dict[str, float] = {}
        """Clusters that are to be deleted, and when."""

    def reconcile(self) -> None:
        """Once over everything."""
        for service in self._list("rayservices"):
            self._reconcile(service)
        for name, when in list(self._doomed.items()):
            if time.monotonic() >= when:
                self._delete(name)

    def _reconcile(self, service: Object) -> None:
        name, spec = service["metadata"]["name"], service["spec"]
        clusters = [one for one in self._list("rayclusters") if one["metadata"]["labels"][SERVICE] == name]
        active = (service.get("status") or {}).get("activeServiceStatus", {}).get("rayClusterName", "")
        running = [one for one in clusters if one["metadata"]["name"] == active]
        pending = [one for one in clusters if one not in running and one["metadata"]["name"] not in self._doomed]
        wanted = _hash(spec["rayClusterConfig"])
        for one in pending:
            if _of(one) != wanted:
                self._delete(one["metadata"]["name"])
            elif self._serves(one):
                self._switch(service, one["metadata"]["name"], active)
        upgrades = not running or (_of(running[0]) != wanted and spec["upgradeStrategy"]["type"] != "None")
        if upgrades and not [one for one in pending if _of(one) == wanted]:
            self._create(name, spec, wanted)
        generation = service["metadata"]["generation"]
        if (service.get("status") or {}).get("observedGeneration") != generation:
            self._report(name, {"observedGeneration": generation})

    def _report(self, name: str, status: Object) -> None:
        self._custom.patch_namespaced_custom_object_status(
            *RAY, self._namespace, "rayservices", name, {"status": status}
        )

    def _create(self, name: str, spec: Object, wanted: str) -> None:
        cluster = f"{name}-{secrets.token_hex(3)[:5]}"
        labels = {SERVICE: name}
        meta = {"name": cluster, "labels": labels, "annotations": {HASH: wanted}}
        body = {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": meta, "spec": spec["rayClusterConfig"]}
        self._custom.create_namespaced_custom_object(*RAY, self._namespace, "rayclusters", body)
        head, group = spec["rayClusterConfig"]["headGroupSpec"], spec["rayClusterConfig"]["workerGroupSpecs"][0]
        self._pod(cluster, "head", head["template"], ["sh", "-c", HEAD])
        serve = json.dumps(yaml.safe_load(spec["serveConfigV2"]))
        for _ in range(group["replicas"] * group["numOfHosts"]):
            self._pod(cluster, "worker", group["template"], ["python", "-c", WORKER.read_text(), serve])

    def _pod(self, cluster: str, kind: str, template: Object, command: list[str]) -> None:
        pod = copy.deepcopy(template)
        labels = {"ray.io/cluster": cluster, "ray.io/node-type": kind, "ray.io/is-ray-node": "yes"}
        pod["metadata"]["labels"] |= labels | {"ray.io/serve": "false"}
        pod["metadata"]["generateName"] = f"{cluster}-{kind}-"
        container = pod["spec"]["containers"][0]
        container["command"] = command
        container.pop("lifecycle", None)  # it is Ray's
        if kind == "worker":
            container["readinessProbe"] = {"tcpSocket": {"port": 8000}}
        self._core.create_namespaced_pod(self._namespace, pod)

    def _serves(self, cluster: Object) -> bool:
        """Whether all its pods are ready; those of workers are then told to the Service."""
        selector = f"ray.io/cluster={cluster['metadata']['name']}"
        pods = self._core.list_namespaced_pod(self._namespace, label_selector=selector).items
        ready = [pod for pod in pods if any(one.ready for one in pod.status.container_statuses or ())]
        for pod in ready:
            if pod.metadata.labels["ray.io/node-type"] == "worker":
                label = {"metadata": {"labels": {"ray.io/serve": "true"}}}
                self._core.patch_namespaced_pod(pod.metadata.name, self._namespace, label)
        return bool(pods) and len(ready) == len(pods)

    def _switch(self, service: Object, cluster: str, old: str) -> None:
        name = service["metadata"]["name"]
        self._select(f"{name}-head-svc", {"ray.io/cluster": cluster, "ray.io/node-type": "head"}, 8265)
        self._select(f"{name}-serve-svc", {"ray.io/cluster": cluster, "ray.io/serve": "true"}, 8000)
        self._report(name, {"activeServiceStatus": {"rayClusterName": cluster}, "serviceStatus": "Running"})
        if old:
            self._doomed[old] = (
                time.monotonic() + service["spec"].get("rayClusterDeletionDelaySeconds", 60) / self._hurry
            )

    def _select(self, name: str, selector: dict[str, str], port: int) -> None:
        body = {"metadata": {"name": name}, "spec": {"selector": selector, "ports": [{"name": "port", "port": port}]}}
        try:
            self._core.patch_namespaced_service(name, self._namespace, body)
        except client.ApiException as exc:
            if exc.status != 404:
                raise
            self._core.create_namespaced_service(self._namespace, body)

    def _delete(self, cluster: str) -> None:
        selector = f"ray.io/cluster={cluster}"
        self._core.delete_collection_namespaced_pod(self._namespace, label_selector=selector)
        self._custom.delete_namespaced_custom_object(*RAY, self._namespace, "rayclusters", cluster)
        self._doomed.pop(cluster, None)

    def _list(self, plural: str) -> list[Object]:
        found: list[Object] = self._custom.list_namespaced_custom_object(*RAY, self._namespace, plural)["items"]
        return found


def _of(cluster: Object) -> str:
    return str(cluster["metadata"]["annotations"][HASH])


def _hash(spec: Object) -> str:
    plain = copy.deepcopy(spec)
    for group in plain["workerGroupSpecs"]:
        for name in ("replicas", "minReplicas", "maxReplicas"):
            group.pop(name, None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def main() -> None:
    """Reconcile until ended."""
    parser = argparse.ArgumentParser(description="A stand-in for the KubeRay operator.")
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--hurry", type=float, default=1)
    asked = parser.parse_args()
    operator = Operator(asked.namespace, asked.hurry)
    while True:
        operator.reconcile()
        time.sleep(0.5)


if __name__ == "__main__":
    main()
