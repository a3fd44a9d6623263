"""What Helm makes of the chart: engines without a way out, streams that end in time, and clear refusals."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.cluster.kube.cases import EVERYTHING, file_of
from tests.cluster.kube.rendered import Object, containers, helm, merged, objects, pods, run, values

pytestmark = pytest.mark.skipif(helm() is None, reason="Helm is not installed (or name it: HELM=/path/to/helm)")

TAGGED = "ghcr.io/freehold/freehold:0.1.0"
STEPS: Object = {"type": "NewClusterWithIncrementalUpgrade", "spareGpus": 9, "gatewayClass": "istio"}
MODES = ["ray", "plain", "simulated"]


@pytest.fixture(scope="module", params=MODES)
def everything(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """A release with everything switched on."""
    return objects(tmp_path_factory.mktemp("values"), merged(values("h100", request.param), EVERYTHING))


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
        pytest.param(
            {"engines": {"ray": {"upgrade": {"type": "NewClusterWithIncrementalUpgrade", "spareGpus": 9}}}},
            "upgrade.gatewayClass",
            id="no gateway class",
        ),
        pytest.param(
            {"engines": {"ray": {"upgrade": STEPS | {"stepPercent": 50, "surgePercent": 20}}}},
            "stepPercent 50 is above surgePercent 20",
            id="steps beyond the surge",
        ),
        pytest.param(
            {"engines": {"ray": {"faultTolerance": {"redis": "redis"}}}}, "say host:port", id="redis without a port"
        ),
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


def test_an_nginx_ingress_lets_streams_through(tmp_path: Path) -> None:
    """It neither cuts them after its usual minute nor keeps tokens back; who says otherwise is obeyed."""
    prefix = "nginx.ingress.kubernetes.io"
    own = {"gateway": {"ingress": {"annotations": {f"{prefix}/proxy-body-size": "10m"}}}}
    items = objects(tmp_path, merged(merged(values("h100", "ray"), EVERYTHING), own))
    ingress = next(item for item in items if item["kind"] == "Ingress")["metadata"]["annotations"]
    assert ingress[f"{prefix}/proxy-read-timeout"] == "1800"
    assert ingress[f"{prefix}/proxy-buffering"] == "off"
    assert ingress[f"{prefix}/proxy-body-size"] == "10m"


def test_who_tests_may_call_where_callers_are_named(tmp_path: Path) -> None:
    """A gateway that only some may call still answers the chart's own test and load test."""
    clients = {"networkPolicy": {"clients": [{"podSelector": {"matchLabels": {"app": "shop"}}}]}}
    items = objects(tmp_path, merged(values("h100", "ray"), clients))
    policy = next(
        item for item in items if item["metadata"]["name"] == "fleet-gateway" and item["kind"] != "Deployment"
    )
    assert "loadtest" in str(policy["spec"]["ingress"])


def test_memory_survives_a_head_where_redis_is(tmp_path: Path) -> None:
    """The head finds it by address, its password by a Secret, and may reach it."""
    items = objects(tmp_path, yaml.safe_load(file_of("ray-steps").read_text()))
    cluster = next(item for item in items if item["kind"] == "RayService")["spec"]["rayClusterConfig"]
    assert cluster["gcsFaultToleranceOptions"] == {
        "redisAddress": "redis.llm.svc:6379",
        "redisPassword": {"valueFrom": {"secretKeyRef": {"name": "redis", "key": "password"}}},
    }
    policies = [
        item["spec"] for item in items if item["kind"] == "NetworkPolicy" and "head" in item["metadata"]["name"]
    ]
    assert all({"port": 6379} in policy["egress"][-1]["ports"] for policy in policies)


def test_nothing_of_another_operator_is_sent_where_it_is_not(tmp_path: Path) -> None:
    """A cluster without Prometheus' operator gets no objects that it does not know."""
    done = run(tmp_path, values("h100", "plain"), kinds=())
    assert done.returncode == 0
    assert "monitoring.coreos.com" not in done.stdout


def test_simulated_engines_need_no_image_of_their_own(tmp_path: Path) -> None:
    """The small image is enough to see everything but answers that mean something."""
    images = {mode: _images(objects(tmp_path, values("h100", mode))) for mode in ("simulated", "plain")}
    assert images == {"simulated": {TAGGED}, "plain": {TAGGED, f"{TAGGED}-gpu"}}


def _images(items: list[Object]) -> set[str]:
    found = (container["image"] for _, container in containers(items))
    return {image for image in found if isinstance(image, str)}


@pytest.mark.parametrize(
    ("weights", "offline"),
    [
        pytest.param({"type": "none"}, False, id="none"),
        pytest.param({"type": "existing", "claim": "c", "prefetch": False}, True, id="filled by hand"),
        pytest.param({"type": "create", "offline": False, "prefetch": False}, False, id="filled by engines"),
        pytest.param({"type": "create"}, True, id="filled by the Job"),
    ],
)
def test_engines_ask_no_hub_where_weights_are_kept(tmp_path: Path, weights: Object, offline: bool) -> None:
    """Unless they are told to fetch them by themselves."""
    items = objects(tmp_path, merged(values("h100", "plain"), {"engines": {"weights": weights}}))
    engines = [container for name, container in containers(items) if name.endswith("/engine")]
    told = [{"name": "HF_HUB_OFFLINE", "value": "1"} in container["env"] for container in engines]
    assert told == [offline, offline]


def test_a_mirror_of_the_hub_is_asked_by_the_job(tmp_path: Path) -> None:
    """By the name of the variable that its client reads."""
    weights = {"engines": {"weights": {"type": "create", "hub": "https://hub.example.org"}}}
    items = objects(tmp_path, merged(values("h100", "plain"), weights))
    jobs = [container for name, container in containers(items) if name.endswith("/weights") and "Job" in name]
    assert {"name": "HF_ENDPOINT", "value": "https://hub.example.org"} in jobs[0]["env"]


def test_a_label_may_be_taken_away(tmp_path: Path) -> None:
    """Nodes of another cloud have other labels than those that `freehold helm-values` names."""
    other = {"nodeSelector": {"nvidia.com/gpu.product": None, "cloud.google.com/gke-accelerator": "nvidia-h100-80gb"}}
    items = objects(tmp_path, merged(values("h100", "plain"), {"engines": {"gpuProfiles": {"H100": other}}}))
    asked = [pod["nodeSelector"] for _, pod in pods(items) if "nodeSelector" in pod]
    assert asked == [{"cloud.google.com/gke-accelerator": "nvidia-h100-80gb"}] * 2


def test_the_load_test_asks_for_what_there_is(tmp_path: Path) -> None:
    """Its options are those of `freehold loadtest`."""
    items = objects(tmp_path, merged(values("h100", "simulated"), EVERYTHING))
    job = next(container for name, container in containers(items) if name.endswith("/loadtest"))
    assert job["command"] == ["freehold", "loadtest"]
    command = [sys.executable, "-m", "loadtests", "--help"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {argument.partition("=")[0] for argument in job["args"]} <= set(told.split())
