"""Every way to use the chart, by every rule: Kubernetes' own schemas from 1.32 on, and ours for pods and policies."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tests.cluster.kube.cases import cases, file_of, written
from tests.cluster.kube.policy import RULES, Rule, restricted_pods
from tests.cluster.kube.rendered import CHART, Object, helm, objects, pod_templates

VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
NAMES = tuple(cases())
GROUPS = ("apps/v1", "batch/v1", "policy/v1", "autoscaling/v2", "networking.k8s.io/v1", "v1")
"""What is Kubernetes' own; the rest has definitions that a real server reads, see tests/kubernetes."""
needs_helm = pytest.mark.skipif(helm() is None, reason="Helm is not installed (or name it: HELM=/path/to/helm)")
_RENDERED: dict[str, list[Object]] = {}


@pytest.fixture
def rendered(case: str, tmp_path: Path) -> list[Object]:
    """What Helm makes of a case, once."""
    if case not in _RENDERED:
        _RENDERED[case] = objects(tmp_path, yaml.safe_load(file_of(case).read_text()))
    return _RENDERED[case]


@cache
def _validator(version: str, kind: str, api: str) -> Draft202012Validator:
    """As `kubernetes-validate` makes it, but once for each kind and version instead of for each object."""
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    stem = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api)
    schema = json.loads((folder / f"{kind.lower()}-{stem}.json").read_text())
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Any:  # noqa: ANN401 - a registry of JSON values
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}.0-local-strict"
    return Resource.from_contents(json.loads((folder / "_definitions.json").read_text())) @ Registry()


@needs_helm
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", NAMES)
def test_objects_are_valid(case: str, rendered: list[Object], version: str) -> None:
    """Strictly: a field that Kubernetes would drop is an error."""
    known = [item for item in rendered if item["apiVersion"] in GROUPS]
    problems = [
        f"{item['kind']}/{item['metadata']['name']}: {error.json_path} {error.message}"
        for item in known
        for error in _validator(version, item["kind"], item["apiVersion"]).iter_errors(item)
    ]
    assert case
    assert problems == []
    assert len(known) >= 5


@pytest.mark.parametrize("version", VERSIONS)
def test_a_field_that_nobody_knows_is_an_error(version: str) -> None:
    """The schemas are the strict ones, and they are read."""
    pod = {"containers": [{"name": "a", "image": "b", "livenesProbe": {}}]}
    spec = {"selector": {}, "template": {"metadata": {}, "spec": pod}}
    item = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x"}, "spec": spec}
    errors = list(_validator(version, "Deployment", "apps/v1").iter_errors(item))
    assert "livenesProbe" in str(errors)


@needs_helm
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("case", NAMES)
def test_every_rule_holds(case: str, rendered: list[Object], rule: Rule) -> None:
    """But one: weights on the nodes' own disks are a volume that the restricted profile knows not."""
    broken = list(rule(rendered))
    if case == "plain-amd" and rule is restricted_pods:
        assert Counter(line.split(": ")[1] for line in broken) == {
            "volume weights is none that the profile allows": len(broken)
        }
    else:
        assert broken == []


@needs_helm
@pytest.mark.parametrize("case", ["ray"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_can_be_broken(case: str, rendered: list[Object], rule: Rule) -> None:
    """A rule that nothing breaks would watch over nothing."""
    assert case
    spoilt = json.loads(json.dumps(rendered))
    for item in spoilt:
        item["metadata"].pop("labels", None)
        if item["kind"] == "PodDisruptionBudget":
            item["spec"] = {"maxUnavailable": 0, "selector": item["spec"]["selector"]}
    for _, template in pod_templates(spoilt):
        template["metadata"]["labels"] = {"nobody": "selects"}
        pod = template["spec"]
        pod["automountServiceAccountToken"] = True
        pod["securityContext"], pod["terminationGracePeriodSeconds"] = {}, 1
        plain = {"name": "c", "image": "x:latest", "startupProbe": {}, "env": [{"name": "API_KEY", "value": "sk"}]}
        pod["containers"] = [plain]
    assert list(rule(spoilt))


@pytest.mark.parametrize("case", NAMES)
def test_a_case_is_up_to_date(case: str) -> None:
    """What is kept is what the example fleets give today."""
    assert file_of(case).read_text() == written(case), "write it anew with `python -m tests.cluster.kube.cases`"


@needs_helm
@pytest.mark.parametrize("case", NAMES)
def test_lint_is_content(case: str) -> None:
    """With warnings as errors."""
    program = helm()
    assert program is not None
    command = [program, "lint", "--strict", str(CHART), "-f", str(file_of(case))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@needs_helm
@pytest.mark.parametrize("case", ["ray"])
def test_ray_is_the_one_in_the_image(case: str, rendered: list[Object]) -> None:
    """KubeRay refuses a cluster whose pods have another version."""
    locked = set(re.findall(r"(?m)^ray==([\d.]+)", Path("requirements/cpu.lock").read_text()))
    assert case
    named = {item["spec"]["rayClusterConfig"]["rayVersion"] for item in rendered if item["kind"] == "RayService"}
    assert named == locked


@needs_helm
@pytest.mark.parametrize("case", ["ray", "plain"])
def test_another_chart_leaves_engines_as_they_are(case: str, rendered: list[Object], tmp_path: Path) -> None:
    """Only another image, or another model, is another engine; a chart's version is neither."""
    newer = tmp_path / "chart"
    shutil.copytree(CHART, newer)
    card = yaml.safe_load((newer / "Chart.yaml").read_text())
    (newer / "Chart.yaml").write_text(yaml.safe_dump(card | {"version": "9.9.9"}))
    again = objects(tmp_path, yaml.safe_load(file_of(case).read_text()), newer)
    assert again != rendered
    assert _engines(again) == _engines(rendered)


def _engines(items: list[Object]) -> list[Object]:
    component = "app.kubernetes.io/component"
    found = [template for _, template in pod_templates(items)]
    return [template for template in found if template["metadata"]["labels"][component] == "engine"]
