"""What happens to a release under traffic; tests and ``benchmarks/kubernetes.py`` play the same scenes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.kube.rendered import Object
from tests.kubernetes.release import FLEET, LIMIT_S, NAME, Release, Traffic, until

OURS = f"--pod-selector=app.kubernetes.io/instance={NAME}"
RAY_SERVICE = "fleet-qwen3-32b"
TWICE: Object = {"engines": {"ray": {"upgrade": {"type": "NewCluster", "spareGpus": 4}}}}
"""Another Ray cluster starts beside the old one."""
_DEAD = "node.kubernetes.io/out-of-service"


def upgraded(
    release: Release,
    fleet: str = FLEET,
    change: Object | None = None,
    replaced: tuple[str, ...] = ("gateway", "engine"),
) -> Traffic:
    """Another fleet file, or other values; until all pods of what is replaced are others."""
    before = _names(release, replaced)
    with release.traffic() as seen:
        release.install(fleet, change)
        until(lambda: not before & _names(release, replaced), "the old pods end")
    return seen


def _names(release: Release, components: tuple[str, ...]) -> set[str]:
    return set[str]().union(*(release.names(component) for component in components))


def rolled_back(release: Release) -> Traffic:
    """To the revision before, whose gateways and engines were others; until the newer ones are gone."""
    before = _names(release, ("gateway", "engine"))
    with release.traffic() as seen:
        release.helm("rollback", NAME)
        release.wait()
        until(lambda: not before & _names(release, ("gateway", "engine")), "the newer pods end")
    return seen


def nodes_of(release: Release) -> set[str]:
    """Nodes with a gateway or an engine that is not ending."""
    pods = release.pods("gateway") + release.pods("engine")
    return {pod["spec"]["nodeName"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}


def drained(release: Release) -> Traffic:
    """Every node with a gateway or an engine, one after the other, by the eviction API."""
    with release.traffic() as seen:
        for node in sorted(nodes_of(release)):
            try:
                release.cluster.run("kubectl", "drain", node, OURS, "--delete-emptydir-data", f"--timeout={LIMIT_S}s")
                assert node not in nodes_of(release)
                release.wait()
            finally:
                release.cluster.run("kubectl", "uncordon", node)
    return seen


def without_api(release: Release, seconds: float) -> Traffic:
    """The API server is stopped in the middle of whatever it does, and goes on later."""
    pid = _pid(release, "kube-apiserver")
    with release.traffic() as seen:
        os.kill(pid, signal.SIGSTOP)
        back = time.monotonic() + seconds
        try:
            assert release.kubectl("get", "pods", "--request-timeout=3s", check=False).returncode != 0
            while time.monotonic() < back:
                time.sleep(0.2)
        finally:
            os.kill(pid, signal.SIGCONT)
        until(lambda: release.kubectl("get", "pods", check=False).returncode == 0, "it is back")
    return seen


def _pid(release: Release, name: str) -> int:
    command = [*release.cluster.command, "status", "--dir", str(release.cluster.folder)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return next(int(one["pid"]) for one in json.loads(told)["processes"] if one["name"] == name)


def ready(release: Release, component: str) -> set[str]:
    """Names of those that take requests."""
    found = set()
    for pod in release.pods(component):
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
        if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
            found.add(pod["metadata"]["name"])
    return found


def engine_lost(release: Release) -> tuple[Traffic, Traffic]:
    """An engine's node vanishes without a word: what callers saw until it was missed, and afterwards."""
    lost = release.pods("engine")[0]
    node, name = lost["spec"]["nodeName"], lost["metadata"]["name"]
    with release.traffic() as during:
        release.cluster.run("ip", "link", "set", f"v{lost['metadata']['uid'][:8]}", "down")
        until(lambda: name not in ready(release, "engine"), "it is missed")
    try:
        with release.traffic() as after:
            release.cluster.run("kubectl", "taint", "node", node, f"{_DEAD}=dead:NoExecute")
            release.kubectl("delete", "pod", name, "--force", "--grace-period=0")
            until(lambda: len(ready(release, "engine")) == 2, "another replica takes its place")
    finally:
        release.cluster.run("kubectl", "taint", "node", node, f"{_DEAD}-")
    return during, after


@contextmanager
def operated(release: Release, hurry: float) -> Iterator[None]:
    """Somebody looks after the release's RayServices, and the first cluster serves."""
    operator = ["-m", "tests.kubernetes.kuberay", "--namespace", release.namespace, "--hurry", str(hurry)]
    running = release.cluster.start_fed(sys.executable, *operator)
    try:
        until(lambda: active(release), "the first cluster serves")
        release.wait()
        yield
    finally:
        running.terminate()
        running.communicate(timeout=LIMIT_S)


def ray_service(release: Release) -> Any:  # noqa: ANN401 - an object of Kubernetes
    """The RayService of the only model."""
    return release.get("rayservice", RAY_SERVICE)


def active(release: Release) -> str:
    """The cluster that takes the requests, as the operator says."""
    status = ray_service(release).get("status") or {}
    return str(status.get("activeServiceStatus", {}).get("rayClusterName", ""))


def clusters(release: Release) -> set[str]:
    """Every RayCluster."""
    return {item["metadata"]["name"] for item in release.get("rayclusters")["items"]}


def other_gpus(change: Object, profile: Object) -> Object:
    """The same values with other GPUs, which is another Ray cluster."""
    return {"engines": {**change.get("engines", {}), "gpuProfiles": {"H200": profile}}}


def taken_over(release: Release, memory: str) -> Traffic:
    """Workers with other memory; until the second cluster serves and the first is gone with its pods."""
    before = active(release)
    with release.traffic() as seen:
        release.apply(change=other_gpus(TWICE, {"memory": memory}))
        until(lambda: active(release) != before, "the second cluster takes over")
        until(lambda: before not in clusters(release), "the first one goes")
        until(lambda: not release.get("pods", "-l", f"ray.io/cluster={before}")["items"], "its pods end")
    return seen
