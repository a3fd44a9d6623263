"""Models on Ray clusters, by a stand-in for KubeRay's operator: another cluster takes over, and no caller sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.kube.values.engines import Mode
from tests.kubernetes.bench import Bench
from tests.kubernetes.release import FLEET, NAME, Release, until
from tests.kubernetes.scenes import (
    RAY_SERVICE,
    TWICE,
    active,
    clusters,
    operated,
    other_gpus,
    ray_service,
    taken_over,
)

HURRY = 20
"""How many times as fast an old cluster's deletion comes."""


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path) -> Iterator[Release]:
    """A release with a RayService, and somebody who looks after it."""
    made = Release(cluster, chart, "ray", Mode.RAY)
    made.apply(change=TWICE)
    with operated(made, HURRY):
        yield made
    made.helm("uninstall", NAME)
    made.kubectl("delete", "pods", "--all", "--wait=false")


def _selected(release: Release) -> str:
    return str(release.get("service", f"{RAY_SERVICE}-serve-svc")["spec"]["selector"]["ray.io/cluster"])


def test_workers_hold_the_gpus(release: Release) -> None:
    """The head holds none and runs nothing; each worker has its two, on a GPU's node."""
    pods = {pod["metadata"]["labels"]["ray.io/node-type"]: pod for pod in release.pods("engine")}
    assert "nvidia.com/gpu" not in str(pods["head"]["spec"]["containers"][0]["resources"])
    assert pods["head"]["spec"]["nodeName"].startswith("cpu-")
    assert pods["worker"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert pods["worker"]["spec"]["nodeName"].startswith("gpu-")


def test_routing_alone_leaves_the_cluster_as_it_is(release: Release) -> None:
    """What changes besides the model is the gateways' business."""
    before = ray_service(release)["metadata"]["generation"]
    release.install(f"{FLEET}routing: {{ large_share: 0.3 }}\n", TWICE)
    assert ray_service(release)["metadata"]["generation"] == before


def test_another_configuration_takes_over_when_it_is_ready(release: Release) -> None:
    """A second cluster starts beside the first; requests move when it serves; the first goes when it has finished."""
    seen = taken_over(release, "96Gi")
    assert seen.failed == []
    assert seen.answers > 50
    assert seen.streams > 50


def test_nothing_moves_to_a_cluster_that_never_serves(release: Release) -> None:
    """A GPU that no node has keeps its pods waiting, and the old cluster in service."""
    before = active(release)
    with release.traffic() as seen:
        release.apply(change=other_gpus(TWICE, {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-NONE"}}))
        until(lambda: len(clusters(release)) > 1, "a second cluster is made")
        until(lambda: "Pending" in {pod["status"]["phase"] for pod in release.pods("engine")}, "its pods wait")
    assert _selected(release) == before
    assert seen.failed == []
    assert seen.answers > 10


def test_without_an_upgrade_strategy_nothing_happens_by_itself(release: Release) -> None:
    """`None`: the cluster keeps running as it is, whatever the fleet file says by now."""
    before = active(release)
    release.apply(change=other_gpus({}, {"memory": "128Gi"}))
    service = ray_service(release)
    assert "256Gi" in str(service["spec"]["rayClusterConfig"])
    generation = service["metadata"]["generation"]
    until(lambda: ray_service(release)["status"]["observedGeneration"] == generation, "the operator has seen it")
    assert (active(release), _selected(release)) == (before, before)
