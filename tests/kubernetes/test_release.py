"""The chart on a real API server, with pods that run: it comes up, answers, is what was rendered, and goes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.cluster.kube.cases import cases
from tests.cluster.kube.rendered import objects
from tests.kubernetes.bench import Bench
from tests.kubernetes.release import NAME, Release, until

KINDS = "deployments,services,configmaps,networkpolicies,poddisruptionbudgets,serviceaccounts,pods,jobs,ingresses"
KINDS_OF_OTHERS = {"RayService", "ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject", "HTTPRoute"}


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path) -> Release:
    """A release with simulated engines."""
    made = Release(cluster, chart, "release")
    made.install()
    return made


def test_comes_up_and_answers(release: Release) -> None:
    """Every pod becomes ready as the user that it must be, and a caller gets an answer."""
    assert {pod["status"]["phase"] for pod in release.get("pods")["items"]} == {"Running"}
    body = json.dumps({"model": "auto", "max_tokens": 3, "messages": [{"role": "user", "content": "Hello"}]})
    url = f"http://{release.address}/v1/chat/completions"
    told = release.cluster.run("curl", "-s", url, "-H", "content-type: application/json", "-d", body).stdout
    assert json.loads(told)["usage"]["completion_tokens"] == 3


def test_helm_test_passes(release: Release) -> None:
    """The chart's own test asks the gateway whether every tier has a model that answers."""
    assert "Phase:          Succeeded" in release.helm("test", NAME)


def test_what_lives_is_what_was_rendered(release: Release) -> None:
    """The API server kept what it was sent: every field of a policy, and of a pod's security."""
    rendered = [item for item in yaml.safe_load_all(release.helm("get", "manifest", NAME)) if item]
    assert len(rendered) > 8
    live = release.get(*(f"{item['kind']}/{item['metadata']['name']}" for item in rendered))["items"]
    for sent, kept in zip(rendered, live, strict=True):
        assert not _missing(sent.get("spec", {}), kept.get("spec", {}), sent["kind"])


def _missing(sent: object, kept: object, path: str) -> list[str]:
    """Paths of what was sent and is not there."""
    if isinstance(sent, dict):
        lost = [f"{path}.{key}" for key in sent if not isinstance(kept, dict) or key not in kept]
        here = kept if isinstance(kept, dict) else {}
        inner = [found for key in sent if key in here for found in _missing(sent[key], here[key], f"{path}.{key}")]
        return lost + inner
    if isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        pairs = enumerate(zip(sent, kept, strict=True))
        return [found for index, (one, other) in pairs for found in _missing(one, other, f"{path}[{index}]")]
    return [] if str(sent) == str(kept) else [f"{path}: {sent} is {kept}"]


def test_custom_objects_are_what_their_definitions_take(cluster: Bench, tmp_path: Path) -> None:
    """KubeRay's, Prometheus' operator's, KEDA's and the Gateway API's, in every way to use the chart."""
    custom = [
        item for given in cases().values() for item in objects(tmp_path, given) if item["kind"] in KINDS_OF_OTHERS
    ]
    file = tmp_path / "rendered.yaml"
    file.write_text(yaml.safe_dump_all(custom))
    done = cluster.run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", str(file), check=False)
    assert done.returncode == 0, done.stderr
    assert {item["kind"] for item in custom} == KINDS_OF_OTHERS


def test_leaves_nothing_but_what_it_names(release: Release) -> None:
    """Uninstalled, nothing is left but the claim with the weights, which says so, and what Kubernetes makes itself."""
    release.apply(change={"engines": {"weights": {"type": "create"}}})
    told = release.helm("uninstall", NAME)
    claims = [item["metadata"]["name"] for item in release.get("persistentvolumeclaims")["items"]]
    assert claims == ["fleet-weights"]
    assert "fleet-weights" in told
    until(lambda: not release.get("pods")["items"], "pods end")
    left = {(item["kind"], item["metadata"]["name"]) for item in release.get(KINDS)["items"]}
    assert left <= {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}
