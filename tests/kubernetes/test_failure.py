"""What breaks under traffic: a node is drained, a node dies, the API server is away."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.bench import Bench
from tests.kubernetes.release import NAME, Release, until
from tests.kubernetes.traffic import CALLERS

OURS = f"--pod-selector=app.kubernetes.io/instance={NAME}"


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path) -> Iterator[Release]:
    """Two gateways and two replicas of one model."""
    made = Release(cluster, chart, "failure")
    made.install()
    yield made
    made.helm("uninstall", NAME)


def _nodes(release: Release, component: str) -> set[str]:
    return {pod["spec"]["nodeName"] for pod in release.pods(component) if "deletionTimestamp" not in pod["metadata"]}


def _ready(release: Release, component: str) -> list[Any]:
    def is_ready(pod: Any) -> bool:  # noqa: ANN401 - an object of Kubernetes
        conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]

    return [pod for pod in release.pods(component) if is_ready(pod)]


def test_a_budget_keeps_one_gateway(release: Release) -> None:
    """Of two evictions at once the second is refused: Kubernetes' word for "later" is 429."""
    answers = []
    for name in sorted(release.names("gateway")):
        metadata = {"name": name, "namespace": release.namespace}
        body = {"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": metadata}
        file = release.cluster.folder.parent / "eviction.json"
        file.write_text(json.dumps(body))
        path = f"/api/v1/namespaces/{release.namespace}/pods/{name}/eviction"
        answers.append(release.kubectl("create", "--raw", path, "-f", str(file), check=False))
    assert [answer.returncode == 0 for answer in answers] == [True, False]
    assert "disruption budget" in answers[1].stderr
    release.wait()


def test_nodes_are_drained_without_a_loss(release: Release) -> None:
    """Every node with a gateway or an engine, one after the other, by the eviction API."""
    nodes = _nodes(release, "gateway") | _nodes(release, "engine")
    with release.traffic() as seen:
        for node in sorted(nodes):
            try:
                release.cluster.run("kubectl", "drain", node, OURS, "--delete-emptydir-data", "--timeout=120s")
                assert node not in _nodes(release, "gateway") | _nodes(release, "engine")
                release.wait()
            finally:
                release.cluster.run("kubectl", "uncordon", node)
    assert seen.failed == []
    assert seen.streams > 50


def test_the_api_server_may_be_away(release: Release) -> None:
    """Callers are served while nobody answers for the cluster; it can be changed once it is back."""
    pid = _pid(release.cluster, "kube-apiserver")
    with release.traffic() as seen:
        os.kill(pid, signal.SIGSTOP)
        try:
            done = release.kubectl("get", "pods", "--request-timeout=5s", check=False)
        finally:
            os.kill(pid, signal.SIGCONT)
    assert done.returncode != 0
    assert seen.failed == []
    assert seen.answers > 50
    release.install(change={"gateway": {"podAnnotations": {"changed": "yes"}}})
    assert len(_ready(release, "gateway")) == 2


def _pid(cluster: Bench, name: str) -> int:
    told = subprocess.run(
        [*cluster.command, "status", "--dir", str(cluster.folder)], check=True, capture_output=True, text=True
    )
    return next(int(one["pid"]) for one in json.loads(told.stdout)["processes"] if one["name"] == name)


def test_a_dead_node_costs_only_what_was_under_way_there(release: Release) -> None:
    """An engine vanishes without a word: who waited for it is told in time, everybody else is served."""
    lost = release.pods("engine")[0]
    node, name = lost["spec"]["nodeName"], lost["metadata"]["name"]
    with release.traffic() as during:
        release.cluster.run("ip", "link", "set", f"v{lost['metadata']['uid'][:8]}", "down")
        until(lambda: name not in {pod["metadata"]["name"] for pod in _ready(release, "engine")}, "it is missed")
    assert len(during.failed) <= CALLERS
    assert not [cause for cause in during.failed if "timed out" in cause]
    try:
        with release.traffic() as after:
            release.cluster.run("kubectl", "taint", "node", node, "node.kubernetes.io/out-of-service=dead:NoExecute")
            release.kubectl("delete", "pod", name, "--force", "--grace-period=0")
            until(lambda: len(_ready(release, "engine")) == 2, "another replica takes its place")
    finally:
        release.cluster.run("kubectl", "taint", "node", node, "node.kubernetes.io/out-of-service-")
    assert after.failed == []
    assert node not in _nodes(release, "engine")
