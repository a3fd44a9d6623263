"""What Helm makes of the chart: valid objects, restricted pods, engines without a way out, and clear refusals."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest

from tests.cluster.kube.rendered import Object, helm, merged, objects, pods, run, values

pytestmark = pytest.mark.skipif(helm() is None, reason="Helm is not installed (or name it: HELM=/path/to/helm)")

EVERYTHING: Object = {
    "gateway": {
        "ingress": {"enabled": True, "host": "llm.example.org", "tlsSecret": "tls", "className": "nginx"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "edge"}], "hostnames": ["llm.example.org"]},
        "hostedKeys": [{"env": "ANTHROPIC_API_KEY", "secret": {"name": "hosted", "key": "claude"}}],
    },
    "database": {"url": {"name": "db", "key": "url"}, "pepper": {"name": "db", "key": "pepper"}},
    "image": {"pullSecrets": ["registry"]},
    "engines": {"weights": {"type": "create", "hubToken": {"name": "hub", "key": "token"}}},
    "loadTest": {"enabled": True, "key": {"name": "loadtest", "key": "key"}},
    "labels": {"team": "llm"},
}
VERSIONS = ["1.32", "1.34", "1.37"]
MODES = ["ray", "plain", "simulated"]


@pytest.fixture(scope="module", params=MODES)
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """A release with everything switched on."""
    return objects(tmp_path_factory.mktemp("values"), merged(values("h100", request.param), EVERYTHING))


@pytest.mark.parametrize("version", VERSIONS)
def test_objects_are_valid(everything: list[Object], version: str) -> None:
    """Kubernetes' own schemas, strictly; kinds that it does not know are for the real API server to check."""
    known = [item for item in everything if "." not in item["apiVersion"] or item["apiVersion"].endswith("k8s.io/v1")]
    known = [item for item in known if item["kind"] != "HTTPRoute"]
    for item in known:
        kubernetes_validate.validate(item, version, strict=True)
    assert {"Deployment", "Service", "NetworkPolicy", "Job"} <= {item["kind"] for item in known}


def test_every_pod_is_restricted(everything: list[Object]) -> None:
    """The restricted profile, a read-only root, and requests and a memory limit for every container."""
    found = dict(pods(everything))
    assert len(found) >= 4
    for name, pod in found.items():
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True, name
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            own = container["securityContext"]
            assert own["readOnlyRootFilesystem"] is True, name
            assert own["allowPrivilegeEscalation"] is False, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert container["resources"]["requests"], name
            assert "memory" in container["resources"]["limits"], name
            assert not container["image"].endswith(":latest"), name
        host = {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert not host, name


def test_only_a_ray_head_has_a_service_account_token(everything: list[Object]) -> None:
    """Ray's autoscaler asks the API server for pods; nobody else has a reason to."""
    holders = {name for name, pod in pods(everything) if pod.get("automountServiceAccountToken") is not False}
    assert all(name.endswith("/head") for name in holders)


def test_no_secret_is_rendered(everything: list[Object]) -> None:
    """Secrets are named, never made."""
    assert "Secret" not in {item["kind"] for item in everything}
    assert "secretKeyRef" in str(everything)


def test_engines_have_no_way_out(everything: list[Object]) -> None:
    """But to names, to each other and, for a Ray head, to the API server."""
    policies = [item["spec"] for item in everything if item["kind"] == "NetworkPolicy"]
    engines = [item for item in policies if item["podSelector"]["matchLabels"].get("freehold.dev/role") != "head"]
    engines = [item for item in engines if _selects_engines(item)]
    assert engines
    for policy in engines:
        assert "Egress" in policy["policyTypes"]
        for rule in policy["egress"]:
            assert rule.get("to"), "a rule without peers lets everything out"
            assert all("ipBlock" not in peer for peer in rule["to"])


def _selects_engines(policy: Object) -> bool:
    labels = policy["podSelector"]["matchLabels"]
    return labels.get("app.kubernetes.io/component") == "engine" or "freehold.dev/model" in labels


def test_a_stream_outlives_every_deadline(everything: list[Object]) -> None:
    """Grace periods and the old cluster's deletion wait longer than the longest answer may take."""
    longest = 1800
    for name, pod in pods(everything):
        if "gateway" in name or "engine" in str(pod["containers"][0]["name"]):
            assert pod["terminationGracePeriodSeconds"] > longest, name
    for item in everything:
        if item["kind"] == "RayService":
            assert item["spec"]["rayClusterDeletionDelaySeconds"] > longest


def test_selectors_hold_nothing_that_changes(everything: list[Object]) -> None:
    """A selector with a version in it could never be upgraded."""
    for item in everything:
        if item["kind"] == "Deployment":
            assert not {"app.kubernetes.io/version", "helm.sh/chart"} & item["spec"]["selector"]["matchLabels"].keys()


def test_ray_gets_what_the_fleet_file_says(tmp_path: Path) -> None:
    """One service for each model; its head runs nothing, its workers have the GPUs."""
    services = [item for item in objects(tmp_path, values("h100", "ray")) if item["kind"] == "RayService"]
    assert len(services) == 2
    large = services[1]["spec"]["rayClusterConfig"]
    worker = large["workerGroupSpecs"][0]["template"]["spec"]
    assert large["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert large["autoscalerOptions"]["version"] == "v2"
    assert large["authOptions"]["mode"] == "token"
    assert worker["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    assert worker["tolerations"][0]["key"] == "nvidia.com/gpu"
    assert worker["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}


def test_another_fleet_file_leaves_the_ray_cluster_as_it_is(tmp_path: Path) -> None:
    """What changes in the file's routing restarts gateways, not engines."""
    given = values("h100", "ray")
    changed = given | {"fleet": given["fleet"] + "\nrouting: { large_share: 0.3 }\n"}
    before, after = objects(tmp_path, given), objects(tmp_path, changed)
    ray = [[item for item in items if item["kind"] == "RayService"] for items in (before, after)]
    assert ray[0] == ray[1]
    assert before != after


def test_a_model_larger_than_a_node_has_several_pods(tmp_path: Path) -> None:
    """16 GPUs are two pods of eight."""
    given = values("h100", "ray")
    given["models"][1] |= {"gpus": 16, "hosts": 2, "spec": {"source": "x/y"}}
    group = objects(tmp_path, given)[-1]
    services = [item for item in objects(tmp_path, given) if item["kind"] == "RayService"]
    group = services[1]["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    assert group["numOfHosts"] == 2
    assert group["template"]["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "8"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"gatway": {}}, "gatway", id="unknown key"),
        pytest.param({"image": {"tag": "latest"}}, "image.tag", id="latest"),
        pytest.param({"engines": {"ray": {"upgrade": {"type": "Nope"}}}}, "upgrade.type", id="not an upgrade"),
        pytest.param({"engines": {"ray": {"upgrade": {"type": "NewCluster"}}}}, "spareGpus", id="no spare GPUs"),
        pytest.param({"engines": {"gpuProfiles": None}}, "gpuProfiles", id="no GPU profile"),
        pytest.param({"gateway": {"ingress": {"enabled": True}}}, "gateway.ingress.host", id="no host"),
        pytest.param({"gateway": {"httpRoute": {"enabled": True}}}, "parentRefs", id="no parent"),
        pytest.param({"gateway": {"autoscaling": {"minReplicas": 9}}}, "minReplicas", id="more than most"),
        pytest.param(
            {"engines": {"keda": {"enabled": True, "prometheus": "http://p"}}}, "engines.keda", id="two scale"
        ),
        pytest.param({"engines": {"weights": {"type": "existing"}}}, "engines.weights.claim", id="no claim"),
        pytest.param({"fleet": ""}, "fleet is empty", id="no fleet"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(tmp_path: Path, change: Object, expected: str) -> None:
    """Before anything reaches a cluster."""
    done = run(tmp_path, merged(values("h100", "ray"), change))
    assert done.returncode != 0
    assert expected in done.stderr


def test_parallelism_must_match_the_gpus(tmp_path: Path) -> None:
    """Tensor times pipeline parallel is the number of GPUs."""
    given = values("h100", "ray")
    given["models"][1]["spec"]["engine_args"]["tensor_parallel_size"] = 4
    done = run(tmp_path, given)
    assert "tensor x pipeline parallel is 4, but it has 2 GPUs" in done.stderr


def test_a_single_gateway_has_no_disruption_budget(tmp_path: Path) -> None:
    """It would only keep its node from ever being drained."""
    alone = merged(values("h100", "ray"), {"gateway": {"replicas": 1, "autoscaling": {"enabled": False}}})
    assert "PodDisruptionBudget" not in {item["kind"] for item in objects(tmp_path, alone)}
    assert "PodDisruptionBudget" in {item["kind"] for item in objects(tmp_path, values("h100", "ray"))}


def test_keda_and_a_fixed_number_of_replicas_exclude_each_other(tmp_path: Path) -> None:
    """What KEDA scales says no number itself."""
    change = {"engines": {"keda": {"enabled": True, "prometheus": "http://prometheus:9090"}}}
    items = objects(tmp_path, merged(values("h100", "plain"), change))
    engines = [item for item in items if item["kind"] == "Deployment" and "gateway" not in item["metadata"]["name"]]
    assert engines
    assert all("replicas" not in item["spec"] for item in engines)
    assert sum(item["kind"] == "ScaledObject" for item in items) == len(engines)
