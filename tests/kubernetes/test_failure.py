"""What breaks under traffic: a node is drained, a node dies, the API server is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes.bench import Bench
from tests.kubernetes.release import NAME, Release
from tests.kubernetes.scenes import drained, engine_lost, without_api
from tests.kubernetes.traffic import CALLERS


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path) -> Iterator[Release]:
    """Two gateways and two replicas of one model."""
    made = Release(cluster, chart, "failure")
    made.install()
    yield made
    made.helm("uninstall", NAME)


def test_a_budget_keeps_one_gateway(release: Release, tmp_path: Path) -> None:
    """Of two evictions at once the second is refused: Kubernetes' word for "later" is 429."""
    answers = []
    for name in sorted(release.names("gateway")):
        metadata = {"name": name, "namespace": release.namespace}
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"apiVersion": "policy/v1beta1", "kind": "Eviction", "metadata": metadata}))
        path = f"/api/v1/namespaces/{release.namespace}/pods/{name}/eviction"
        answers.append(release.kubectl("create", "--raw", path, "-f", str(file), check=False))
    assert [answer.returncode == 0 for answer in answers] == [True, False]
    assert "disruption budget" in answers[1].stderr
    release.wait()


def test_nodes_are_drained_without_a_loss(release: Release) -> None:
    """Every node with a gateway or an engine, one after the other, by the eviction API."""
    seen = drained(release)
    assert seen.failed == []
    assert seen.streams > 50


def test_the_api_server_may_be_away(release: Release) -> None:
    """Callers are served while nobody answers for the cluster."""
    seen = without_api(release, 0)
    assert seen.failed == []
    assert seen.answers > 50


def test_a_dead_node_costs_only_what_was_under_way_there(release: Release) -> None:
    """An engine vanishes without a word: who waited for it is told in time, everybody else is served."""
    during, after = engine_lost(release)
    assert len(during.failed) <= CALLERS
    assert not [cause for cause in during.failed if "timed out" in cause]
    assert after.failed == []
    assert after.answers > 0
