"""The chart as Helm renders it, and a walk through everything in it that becomes a pod."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from cluster.kube import chart
from cluster.kube.render import values_of
from cluster.kube.values.engines import Mode
from cluster.load import load_fleet

CHART = Path("helm/freehold")
KINDS = ("monitoring.coreos.com/v1", "ray.io/v1", "keda.sh/v1alpha1", "gateway.networking.k8s.io/v1")
Object = dict[str, Any]


def helm() -> str | None:
    """The program, by ``HELM`` or in PATH."""
    return os.environ.get("HELM") or shutil.which("helm")


def values(fleet: str, mode: str) -> Object:
    """A release's values, as ``freehold helm-values`` prints them."""
    file = Path("fleets", f"{fleet}.yaml")
    return chart.release(values_of(load_fleet(file), file.read_text(), mode=Mode(mode), open_to_all=True))


def merged(below: Object, above: Object) -> Object:
    """Values over values, as Helm merges them."""
    both = dict(below)
    for key, value in above.items():
        inner = both.get(key)
        both[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def run(
    folder: Path, given: Object, chart: Path = CHART, kinds: tuple[str, ...] = KINDS
) -> subprocess.CompletedProcess[str]:
    """``helm template`` with values, for a cluster that knows ``kinds`` besides its own."""
    program = helm()
    assert program is not None
    file = folder / "values.json"
    file.write_text(json.dumps(given))
    command = [program, "template", "fleet", str(chart), "-f", str(file), "--kube-version", "1.34.0"]
    known = [f"--api-versions={kind}" for kind in kinds]
    return subprocess.run([*command, *known], capture_output=True, text=True, check=False)


def objects(folder: Path, given: Object, chart: Path = CHART) -> list[Object]:
    """Everything that Helm would send to the cluster."""
    done = run(folder, given, chart)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def pod_templates(items: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod, with metadata and spec, and a name for it; those inside RayServices too."""
    for item in items:
        name = f"{item['kind']}/{item['metadata']['name']}"
        spec = item.get("spec", {})
        if item["kind"] == "Pod":
            yield name, item
        elif item["kind"] == "RayService":
            cluster = spec["rayClusterConfig"]
            yield f"{name}/head", cluster["headGroupSpec"]["template"]
            for group in cluster["workerGroupSpecs"]:
                yield f"{name}/{group['groupName']}", group["template"]
        elif "template" in spec:
            yield name, spec["template"]


def pods(items: list[Object]) -> Iterator[tuple[str, Object]]:
    """Their specs."""
    yield from ((name, template["spec"]) for name, template in pod_templates(items))


def containers(items: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every container, those that only prepare too, with a name for it."""
    for name, pod in pods(items):
        for container in (*pod.get("initContainers", []), *pod["containers"]):
            yield f"{name}/{container['name']}", container
