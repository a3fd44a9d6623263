"""Models on Ray clusters, by a stand-in for KubeRay's operator: another cluster takes over, and no caller sees it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kube.values.engines import Mode
from tests.cluster.kube.rendered import Object
from tests.kubernetes.bench import Bench
from tests.kubernetes.release import FLEET, LIMIT_S, Release, until

HURRY = 20
NEW: Object = {"engines": {"ray": {"upgrade": {"type": "NewCluster", "spareGpus": 4}}}}


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path) -> Iterator[Release]:
    """A release with a RayService, and somebody who looks after it."""
    made = Release(cluster, chart, "ray", Mode.RAY)
    made.apply(change=NEW)
    operator = [sys.executable, "-m", "tests.kubernetes.kuberay", "--namespace", "ray", "--hurry", str(HURRY)]
    running = cluster.start_fed(*operator)
    try:
        until(lambda: _active(made), "the first cluster serves")
        made.wait()
        yield made
    finally:
        running.terminate()
        running.communicate(timeout=LIMIT_S)


def _service(release: Release) -> Any:  # noqa: ANN401 - an object of Kubernetes
    return release.get("rayservice", "fleet-qwen3-32b")


def _active(release: Release) -> str:
    """The cluster that takes the requests."""
    status = _service(release).get("status") or {}
    return str(status.get("activeServiceStatus", {}).get("rayClusterName", ""))


def _selected(release: Release) -> str:
    return str(release.get("service", "fleet-qwen3-32b-serve-svc")["spec"]["selector"]["ray.io/cluster"])


def _clusters(release: Release) -> set[str]:
    return {item["metadata"]["name"] for item in release.get("rayclusters")["items"]}


def test_workers_hold_the_gpus(release: Release) -> None:
    """The head holds none and runs nothing; each worker has its two, on a GPU's node."""
    pods = {pod["metadata"]["labels"]["ray.io/node-type"]: pod for pod in release.pods("engine")}
    assert "nvidia.com/gpu" not in str(pods["head"]["spec"]["containers"][0]["resources"])
    assert pods["head"]["spec"]["nodeName"].startswith("cpu-")
    assert pods["worker"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert pods["worker"]["spec"]["nodeName"].startswith("gpu-")


def test_routing_alone_leaves_the_cluster_as_it_is(release: Release) -> None:
    """What changes besides the model is the gateways' business."""
    before = _service(release)["metadata"]["generation"]
    release.install(f"{FLEET}routing: {{ large_share: 0.3 }}\n", NEW)
    assert _service(release)["metadata"]["generation"] == before


def test_another_configuration_takes_over_when_it_is_ready(release: Release) -> None:
    """A second cluster starts beside the first; requests move when it serves; the first goes when it has finished."""
    before = _active(release)
    with release.traffic() as seen:
        release.apply(change=_profile(NEW, {"memory": "96Gi"}))
        until(lambda: _active(release) != before, "the second cluster takes over")
        until(lambda: before not in _clusters(release), "the first one goes")
        until(lambda: not release.get("pods", "-l", f"ray.io/cluster={before}")["items"], "its pods end")
    assert seen.failed == []
    assert seen.streams > 50


def test_nothing_moves_to_a_cluster_that_never_serves(release: Release) -> None:
    """A GPU that no node has keeps its pods waiting, and the old cluster in service."""
    before = _active(release)
    with release.traffic() as seen:
        release.apply(change=_profile(NEW, {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-NONE"}}))
        until(lambda: len(_clusters(release)) > 1, "a second cluster is made")
        until(lambda: _pending(release), "its pods wait")
    assert _selected(release) == before
    assert seen.failed == []
    assert seen.answers > 10


def _pending(release: Release) -> list[Any]:
    return [pod for pod in release.pods("engine") if pod["status"]["phase"] == "Pending"]


def test_without_an_upgrade_strategy_nothing_happens_by_itself(release: Release) -> None:
    """`None`: the cluster keeps running as it is, whatever the fleet file says by now."""
    before = _active(release)
    release.apply(change=_profile({}, {"memory": "128Gi"}))
    service = _service(release)
    assert "256Gi" in str(service["spec"]["rayClusterConfig"])
    generation = service["metadata"]["generation"]
    until(lambda: _service(release)["status"]["observedGeneration"] == generation, "the operator has seen it")
    assert (_active(release), _selected(release)) == (before, before)


def _profile(change: Object, profile: Object) -> Object:
    """The same with other GPUs."""
    return {"engines": {**change.get("engines", {}), "gpuProfiles": {"H200": profile}}}
