"""A release of the chart on the tests' control plane: installed, changed, under traffic, and gone."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cluster.kube import chart as charts
from cluster.kube.render import values_of
from cluster.kube.values.engines import Mode
from cluster.load import load_fleet
from tests.cluster.kube.rendered import Object, helm, merged
from tests.kubernetes.bench import Bench, interpreter

NAME = "fleet"
LIMIT_S = 120
TRAFFIC = Path(__file__).with_name("traffic.py")
FLEET = """\
name: small
models:
  qwen3-32b: { source: Qwen/Qwen3-32B, accelerator: { type: H200, count: 2 }, replicas: { min: 2, max: 4 } }
tiers: { large: [qwen3-32b] }
gateway: { limits: { reuse_seconds: 1 }, deadlines: { first_token: 5, between_tokens: 5, total: 10 } }
"""
"""Two replicas of one model; connections to them are short, as are the longest answers, so that pods may go soon."""
CHANGE: Object = {
    "gateway": {"autoscaling": {"enabled": False}, "leaveSeconds": 2},
    "engines": {"leaveSeconds": 2},
}
"""The plane has no metrics to scale by, and its service proxy learns of a pod's end at once."""


def for_older_servers(chart: Path, copy: Path) -> Path:
    """A copy of a chart without the version that it demands of the API server."""
    shutil.copytree(chart, copy)
    card = yaml.safe_load((copy / "Chart.yaml").read_text())
    del card["kubeVersion"]
    (copy / "Chart.yaml").write_text(yaml.safe_dump(card))
    return copy


def until(ready: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    """Wait for what can only be watched from outside."""
    deadline = time.monotonic() + limit_s
    while not ready():
        assert time.monotonic() < deadline, f"waited {limit_s} s: {what}"
        time.sleep(0.2)


@dataclass(slots=True)
class Traffic:
    """What callers saw; filled in when they have stopped."""

    answers: int = 0
    streams: int = 0
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Release:
    """A release named ``fleet`` in a namespace of its own."""

    cluster: Bench
    chart: Path
    namespace: str
    mode: Mode = Mode.SIMULATED

    def install(self, fleet: str = FLEET, change: Object | None = None) -> None:
        """Install or upgrade, and wait for every Deployment."""
        self.apply(fleet, change)
        self.wait()

    def apply(self, fleet: str = FLEET, change: Object | None = None) -> None:
        """Install or upgrade."""
        file = self._folder / "fleet.yaml"
        file.write_text(fleet)
        values = charts.release(values_of(load_fleet(file), fleet, mode=self.mode, open_to_all=True))
        self.put(merged(merged(values, CHANGE), change or {}), self.chart)

    def put(self, values: Object, chart: Path) -> None:
        """The same with values that somebody has made."""
        given = self._folder / "values.json"
        given.write_text(json.dumps(values))
        self.helm("upgrade", "--install", NAME, str(chart), "-f", str(given), "--skip-crds", "--create-namespace")

    @property
    def _folder(self) -> Path:
        folder = self.cluster.folder.parent / self.namespace
        folder.mkdir(exist_ok=True)
        return folder

    def helm(self, *command: str) -> str:
        """Helm, in the release's namespace."""
        program = helm()
        assert program is not None
        return self.cluster.run(program, *command, "--namespace", self.namespace).stdout

    def kubectl(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Kubectl, in the release's namespace."""
        return self.cluster.run("kubectl", "--namespace", self.namespace, *command, check=check)

    def get(self, *what: str) -> Any:  # noqa: ANN401 - any object of Kubernetes
        """``kubectl get … -o json``."""
        return json.loads(self.kubectl("get", *what, "-o", "json").stdout)

    def wait(self) -> None:
        """Until every Deployment runs what it should."""
        for item in self.get("deployments")["items"]:
            self.kubectl("rollout", "status", f"deployment/{item['metadata']['name']}", f"--timeout={LIMIT_S}s")

    def pods(self, component: str) -> list[Any]:
        """The gateways or the engines, those that are ending too."""
        found: list[Any] = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return found

    def names(self, component: str) -> set[str]:
        """What they are called."""
        return {pod["metadata"]["name"] for pod in self.pods(component)}

    @property
    def address(self) -> str:
        """The gateway's Service."""
        return str(self.get("service", NAME)["spec"]["clusterIP"])

    @contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Callers, until the block is left."""
        seen = Traffic()
        callers = self.cluster.start_fed(str(interpreter()), str(TRAFFIC), self.address)
        try:
            yield seen
        finally:
            told, _ = callers.communicate()
        figures = json.loads(told)
        seen.answers, seen.streams, seen.failed = figures["answers"], figures["streams"], figures["failed"]
