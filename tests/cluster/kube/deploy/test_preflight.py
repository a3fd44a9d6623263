"""What is refused before anything is applied, with the object and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.errors import PreflightError
from cluster.kube.deploy.checks import Check, Verdict
from cluster.kube.deploy.preflight import refuse_unless_all_hold
from cluster.kube.deploy.survey import Quota, Refusal
from cluster.kube.gpus.inventory import nodes_of
from tests.cluster.kube.deploy.rendered_facts import checked, deployment, facts, fleet, ray_service
from tests.cluster.kube.objects import GPU, node, pod

SECRET = {"name": "URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}
CLAIM: dict[str, Any] = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "w"}, "spec": {}}


def test_a_cluster_that_has_everything_passes() -> None:
    """Not even a doubt is left."""
    assert checked(ray_service(), deployment(container={"env": [SECRET]}), facts=facts(secrets={"db": {"url"}})) == {}


@pytest.mark.parametrize(
    ("rendered", "change", "name", "said"),
    [
        (deployment(), {"namespace_exists": False}, "namespace", "kubectl create namespace llm"),
        (deployment(image="x/y"), {}, "images", "x/y (Deployment/freehold-gateway) names no version"),
        (deployment(image="x:5000/y:latest"), {}, "images", "x:5000/y:latest"),
        (deployment(container={"env": [SECRET]}), {}, "secrets", "Secret 'db' is missing"),
        (deployment(container={"env": [SECRET]}), {"secrets": {"db": {"x"}}}, "secrets", "Secret 'db' has no url"),
        (CLAIM, {"storage_classes": {"slow": False}}, "storage", "no default StorageClass for claim w"),
        (CLAIM | {"spec": {"storageClassName": "x"}}, {}, "storage", "no StorageClass 'x' for claim w"),
        (
            deployment(volumes=[{"persistentVolumeClaim": {"claimName": "w"}}]),
            {},
            "storage",
            "PersistentVolumeClaim 'w' is missing",
        ),
        (ray_service(), {"operators": ()}, "operator", "no KubeRay operator runs"),
        (ray_service(), {"operators": ("kuberay/operator:v1.3.2",)}, "operator", "KubeRay v1.3 is too old"),
        (ray_service(replicas=9), {}, "fit", "1 of 9 pods of RayService/freehold-a (replicas) would wait"),
        (
            ray_service(),
            {"refusals": {"Service/a": Refusal("spec.x: unknown", lacks_right=False)}},
            "dry run",
            "spec.x",
        ),
        (
            ray_service(),
            {"refusals": {"Service/a": Refusal("cannot patch", lacks_right=True)}},
            "rights",
            "Role freehold-deployer of helm/roles.yaml in namespace llm",
        ),
    ],
    ids=[
        *("namespace", "no tag", "latest", "secret", "key", "no default class", "class", "claim"),
        *("no operator", "old operator", "GPUs", "unknown field", "rights"),
    ],
)
def test_what_is_missing_is_named_with_a_way_out(
    rendered: dict[str, Any], change: dict[str, Any], name: str, said: str
) -> None:
    """One check fails, and nothing else is doubted."""
    found = checked(rendered, facts=facts(**change))
    assert list(found) == [name]
    assert found[name].verdict is Verdict.FAILS
    assert said in str(found[name])


def test_a_missing_kind_names_what_brings_it() -> None:
    """Without KubeRay's definitions there is no RayService, and no operator to ask for."""
    found = checked(ray_service(), facts=facts(operators=()), served=False)
    assert list(found) == ["kinds"]
    assert "the cluster has no RayService (ray.io/v1)" in str(found["kinds"])
    assert "--mode plain" in found["kinds"].fix


@pytest.mark.parametrize("field", ["nodes", "quotas", "storage_classes", "secrets", "operators"])
def test_what_may_not_be_seen_refuses_nothing(field: str) -> None:
    """The check says that it could not be made, and who gives the right."""
    found = checked(ray_service(), CLAIM, deployment(container={"env": [SECRET]}), facts=facts(**{field: None}))
    doubted = [one for one in found.values() if one.verdict is Verdict.UNKNOWN]
    assert len(doubted) == 1
    assert "helm/roles.yaml" in doubted[0].text


@pytest.mark.parametrize(
    ("gpu", "said"),
    [("H2000", "no GPU 'H2000' in the catalogue; nearest: h200"), ("A100", "")],
    ids=["a wrong name", "one that the cluster lacks"],
)
def test_a_wrong_gpu_is_told_with_what_there_is(gpu: str, said: str) -> None:
    """A name that is nowhere is a typo; one that the catalogue knows is for the fit to judge."""
    found = checked(deployment(), facts=facts(), fleet=fleet(gpu))
    assert ("gpus" in found) is bool(said)
    if said:
        assert said in found["gpus"].text
        assert found["gpus"].fix == "the cluster has: H200 (16 of 16 free)"


def test_scattered_gpus_do_not_fit() -> None:
    """Ten are free, but four are not on one node."""
    held = nodes_of([node("gpu-1"), node("gpu-2")], [pod("x", "gpu-1", 5), pod("y", "gpu-2", 5)])
    found = checked(ray_service(replicas=1, gpus=4), facts=facts(nodes=held))
    assert "scattered: fragmentation" in found["fit"].text


def test_a_cluster_that_adds_nodes_only_makes_doubtful() -> None:
    """Then pods that wait are what brings the nodes."""
    found = checked(ray_service(replicas=99), facts=facts(), may_wait=True)
    assert found["fit"].verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("hard", "used", "own", "fails"),
    [(4.0, 0.0, 0.0, False), (3.0, 0.0, 0.0, True), (6.0, 4.0, 0.0, True), (6.0, 4.0, 4.0, False)],
    ids=["enough", "too little", "others have it", "the release itself has it"],
)
def test_quotas(hard: float, used: float, own: float, *, fails: bool) -> None:
    """What the release holds already is not counted twice."""
    quota = Quota("gpus", {f"requests.{GPU}": hard}, {f"requests.{GPU}": used})
    found = checked(ray_service(replicas=2), facts=facts(quotas=(quota,), own={GPU: own}))
    assert ("quota" in found) is fails
    if fails:
        assert f"ResourceQuota 'gpus' allows requests.{GPU} {hard:g}" in found["quota"].text


def test_limits_are_under_quotas_too() -> None:
    """Memory limits of all containers together."""
    found = checked(deployment(replicas=3), facts=facts(quotas=(Quota("q", {"limits.memory": 5.0 * 2**30}, {}),)))
    assert "limits.memory" in found["quota"].text


def test_everything_that_fails_is_told_at_once() -> None:
    """So that it can be mended at once; doubts are not part of it."""
    checks = (
        Check("a", Verdict.FAILS, "one", "mend one"),
        Check("b", Verdict.UNKNOWN, "doubt"),
        Check("c", Verdict.FAILS, "two"),
    )
    with pytest.raises(PreflightError, match="nothing was applied") as caught:
        refuse_unless_all_hold(checks)
    assert "one" in str(caught.value)
    assert "two" in str(caught.value)
    assert "doubt" not in str(caught.value)
    assert caught.value.exit_code == 2
    refuse_unless_all_hold(checks[1:2])
