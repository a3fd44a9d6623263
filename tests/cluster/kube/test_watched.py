"""What Prometheus finds in a release: gateways, every engine, and the agents on GPU nodes, each let through to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.kube.rendered import Object, helm, merged, objects, values

pytestmark = pytest.mark.skipif(helm() is None, reason="Helm is not installed (or name it: HELM=/path/to/helm)")

AGENT: Object = {"monitoring": {"gpuAgent": True}}


def of_kind(folder: Path, kind: str, mode: str, more: Object | None = None) -> dict[str, Object]:
    """Objects of a release by name."""
    found = objects(folder, merged(values("h100", mode), more or {}))
    return {item["metadata"]["name"]: item for item in found if item["kind"] == kind}


def test_every_replica_of_a_ray_cluster_is_scraped(tmp_path: Path) -> None:
    """At its own port and path; its network policy lets Prometheus there."""
    monitors = of_kind(tmp_path, "PodMonitor", "ray")
    specs = {item["spec"]["podMetricsEndpoints"][0]["path"]: item["spec"] for item in monitors.values()}
    assert set(specs) == {"/metrics", "/llama-3.1-8b/metrics", "/llama-3.3-70b/metrics"}
    spec = specs["/llama-3.1-8b/metrics"]
    [endpoint] = spec["podMetricsEndpoints"]
    assert endpoint["relabelings"][0]["replacement"] == "$1:30000"
    assert endpoint["relabelings"][0]["regex"] == r"(.+):\d+"
    assert spec["selector"]["matchLabels"]["freehold.dev/role"] == "worker"
    policy = of_kind(tmp_path, "NetworkPolicy", "ray")["fleet-engines"]
    assert {"port": 30000} in policy["spec"]["ingress"][1]["ports"]


@pytest.mark.parametrize(
    ("mode", "more"),
    [("plain", None), ("simulated", None), ("ray", {"engines": {"ray": {"haProxy": False}}})],
    ids=["plain", "simulated", "ray without HAProxy"],
)
def test_only_replicas_with_a_port_of_their_own(tmp_path: Path, mode: str, more: Object | None) -> None:
    """Elsewhere the pod's own port is the engine's, or there is none."""
    assert set(of_kind(tmp_path, "PodMonitor", mode, more)) == {"fleet-engines"}


def test_an_agent_goes_where_the_gpus_are(tmp_path: Path) -> None:
    """Off by default; on the profile's nodes, without a GPU of its own, and scraped under the node's name."""
    assert of_kind(tmp_path, "DaemonSet", "ray") == {}
    pod = of_kind(tmp_path, "DaemonSet", "ray", AGENT)["fleet-gpus-h100"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    [agent] = pod["containers"]
    assert {"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"} in agent["env"]
    assert not any("gpu" in resource for resource in agent["resources"]["limits"])
    endpoint = of_kind(tmp_path, "PodMonitor", "ray", AGENT)["fleet-gpus"]["spec"]["podMetricsEndpoints"][0]
    assert endpoint["relabelings"][0]["targetLabel"] == "instance"
    assert of_kind(tmp_path, "NetworkPolicy", "ray", AGENT)["fleet-gpus"]["spec"].get("egress") is None


def test_no_agent_for_gpus_of_others(tmp_path: Path) -> None:
    """AMD's have no NVML."""
    other = {"engines": {"gpuProfiles": {"H100": {"resource": "amd.com/gpu"}}}}
    assert of_kind(tmp_path, "DaemonSet", "ray", merged(AGENT, other)) == {}


def test_dashboards_and_alerts_are_the_files(tmp_path: Path) -> None:
    """As they are in the chart, for Grafana's sidecar and the operator."""
    boards = of_kind(tmp_path, "ConfigMap", "plain")
    for file in Path("helm/freehold/files/dashboards").glob("*.json"):
        board = boards[f"fleet-dashboard-{file.stem}"]
        assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert board["data"][file.name].strip() == file.read_text().strip()
    [rules] = of_kind(tmp_path, "PrometheusRule", "plain").values()
    assert rules["spec"]["groups"][0]["name"] == "freehold-promises"
