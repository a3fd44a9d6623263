"""The chart on a real API server, with pods that run: it comes up, answers, is upgraded under load, and goes."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.kube.rendered import CHART, helm, merged, objects, values
from tests.kubernetes.bench import Bench, bench, interpreter, script

TRAFFIC = Path(__file__).with_name("traffic.py")
_LIMIT_S = 120


@pytest.fixture(scope="module")
def cluster() -> Iterator[Bench]:
    """A control plane for the module."""
    found, python = script(), interpreter()
    if found is None:
        pytest.skip("data: no script for a Kubernetes control plane (name it: FREEHOLD_K8S_BENCH=/path/to/bench.py)")
    if helm() is None or os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("Helm, root and nsenter are needed for pods")
    if python is None:
        pytest.skip("data: no Python of this version that another user may run")
    with bench(found, python) as plane:
        yield plane


@pytest.fixture(scope="module")
def chart(cluster: Bench) -> Path:
    """The chart for the plane's API server, which is older than the chart allows."""
    copy = cluster.folder.parent / "chart"
    shutil.copytree(CHART, copy)
    card = yaml.safe_load((copy / "Chart.yaml").read_text())
    del card["kubeVersion"]
    (copy / "Chart.yaml").write_text(yaml.safe_dump(card))
    return copy


@pytest.fixture(scope="module")
def release(cluster: Bench, chart: Path) -> str:
    """A release with simulated engines; gives back the gateway's address."""
    _upgrade(cluster, chart, {})
    _ready(cluster)
    address = cluster.get("service", "fleet")["spec"]["clusterIP"]
    assert isinstance(address, str)
    return address


def _upgrade(cluster: Bench, chart: Path, change: dict[str, object]) -> None:
    given = merged(values("h100", "simulated"), {"gateway": {"autoscaling": {"enabled": False}}} | change)
    file = cluster.folder.parent / "values.json"
    file.write_text(json.dumps(given))
    program = helm()
    assert program is not None
    cluster.run(program, "upgrade", "--install", "fleet", str(chart), "-f", str(file), "--skip-crds")


def _ready(cluster: Bench) -> None:
    for item in cluster.get("deployments")["items"]:
        name = f"deployment/{item['metadata']['name']}"
        cluster.run("kubectl", "rollout", "status", name, f"--timeout={_LIMIT_S}s")


def test_comes_up_and_answers(cluster: Bench, release: str) -> None:
    """Every pod becomes ready as the user that it must be, and a caller gets an answer."""
    pods = cluster.get("pods")["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Running"}
    body = json.dumps({"model": "auto", "max_tokens": 3, "messages": [{"role": "user", "content": "Hello"}]})
    url = f"http://{release}/v1/chat/completions"
    answer = json.loads(cluster.run("curl", "-s", url, "-H", "content-type: application/json", "-d", body).stdout)
    assert answer["usage"]["completion_tokens"] == 3


def test_what_lives_is_what_was_rendered(cluster: Bench, release: str, tmp_path: Path) -> None:
    """The API server kept every container's security settings and every label of a policy."""
    assert release
    for item in objects(tmp_path, values("h100", "simulated")):
        if item["kind"] == "NetworkPolicy":
            live = cluster.get("networkpolicy", item["metadata"]["name"])
            assert live["spec"]["podSelector"] == item["spec"]["podSelector"]
    for pod in cluster.get("pods")["items"]:
        assert pod["spec"]["securityContext"]["runAsUser"] == 10001
        assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_an_upgrade_loses_no_request(cluster: Bench, chart: Path, release: str) -> None:
    """Gateways are replaced one by one under load: no answer fails and no stream is cut."""
    python = interpreter()
    callers = cluster.start_fed(str(python), str(TRAFFIC), release)
    before = {pod["metadata"]["name"] for pod in _gateways(cluster)}
    _upgrade(cluster, chart, {"gateway": {"autoscaling": {"enabled": False}, "podAnnotations": {"try": "2"}}})
    _ready(cluster)
    deadline = time.monotonic() + _LIMIT_S
    while before & {pod["metadata"]["name"] for pod in _gateways(cluster)}:
        assert time.monotonic() < deadline, "the old gateways do not end"
        time.sleep(0.5)
    told, _ = callers.communicate()
    figures = json.loads(told)
    assert figures["failed"] == []
    assert figures["answers"] > 100
    assert figures["streams"] > 100


def _gateways(cluster: Bench) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = cluster.get("pods", "-l", "app.kubernetes.io/component=gateway")["items"]
    return found


def test_ray_services_are_what_their_definition_takes(cluster: Bench, tmp_path: Path) -> None:
    """The real definitions of KubeRay, Prometheus' operator and KEDA take what the chart renders, to the last field."""
    file = tmp_path / "rendered.yaml"
    ray = objects(tmp_path, values("h100", "ray"))
    keda = {"engines": {"keda": {"enabled": True, "prometheus": "http://prometheus:9090"}}}
    plain = objects(tmp_path, merged(values("h100", "plain"), keda))
    kinds = {"RayService", "ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject"}
    custom = [item for item in (*ray, *plain) if item["kind"] in kinds]
    assert {item["kind"] for item in custom} == kinds
    file.write_text(yaml.safe_dump_all(custom))
    done = cluster.run("kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", str(file), check=False)
    assert done.returncode == 0, done.stderr


def test_leaves_nothing(cluster: Bench, release: str) -> None:
    """Uninstalled, the release's objects are gone."""
    assert release
    program = helm()
    assert program is not None
    cluster.run(program, "uninstall", "fleet")
    for kind in ("deployments", "services", "configmaps", "networkpolicies", "poddisruptionbudgets"):
        names = [item["metadata"]["name"] for item in cluster.get(kind)["items"]]
        assert not [name for name in names if name.startswith("fleet")], kind
