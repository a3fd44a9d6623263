"""The chart on a real API server, under traffic: what do callers notice of upgrades, drains and failures?

``python benchmarks/kubernetes.py [--quick] [--json FILE]``; needs what tests/kubernetes needs: Linux, root, Helm and a
script that starts a control plane (``FREEHOLD_K8S_BENCH``). Pods are processes of this machine with simulated engines.
``…_requests`` is how many whole answers and streams callers asked for meanwhile, ``…_failed`` how many of them were not
complete. The full run asks for 10,000 while gateways are upgraded and is without an API server for five minutes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from benchmarks.lab.processes import BenchmarkError
from benchmarks.lab.report import Target, machine, publish, versions
from cluster.kube.values.engines import Mode
from tests.cluster.kube.rendered import CHART, helm
from tests.kubernetes import scenes
from tests.kubernetes.bench import Bench, bench, interpreter, script
from tests.kubernetes.release import FLEET, NAME, Release, Traffic, for_older_servers

HURRY: Final = 20
"""How many times as fast as on a real cluster an old Ray cluster is deleted."""
LONGER: Final = FLEET.replace("replicas:", "context_length: 16384, replicas:")
"""The same fleet with another model."""
NOTHING_LOST: Final = ("gateway_upgrade", "model_change", "ray_change", "drain", "api_away", "rollback", "after_death")
FULL: Final = (10_000, 300.0)
QUICK: Final = (200, 5.0)
"""Requests during upgrades of gateways, and seconds without an API server."""
Figures = dict[str, float]


def main() -> int:
    """Play every scene; 1 when a caller noticed what it should not have, 3 when something is missing."""
    parser = argparse.ArgumentParser(description="The chart on a real API server, under traffic.")
    parser.add_argument("--quick", action="store_true", help="fewer requests, and a short absence of the API server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    asked = parser.parse_args()
    requests, away_s = QUICK if asked.quick else FULL
    try:
        with _plane() as plane:
            figures = measure(plane, requests, away_s)
    except (BenchmarkError, AssertionError, subprocess.CalledProcessError) as error:
        print(f"benchmarks/kubernetes.py: {error}", file=sys.stderr)
        return 3
    targets = (
        Target("install_s", "<=", 60),
        Target("gateway_upgrade_requests", ">=", requests),
        *(Target(f"{scene}_failed", "==", 0) for scene in NOTHING_LOST),
    )
    return publish(figures, targets, machine() | versions(["kubernetes"]), asked.json)


@contextmanager
def _plane() -> Iterator[Bench]:
    found, python = script(), interpreter()
    if found is None or python is None or helm() is None or os.geteuid() != 0:
        msg = "needs root, Helm (HELM=…), and a script for a control plane (FREEHOLD_K8S_BENCH=…); see CONTRIBUTING.md"
        raise BenchmarkError(msg)
    with bench(found, python) as plane:
        yield plane


def measure(plane: Bench, requests: int, away_s: float) -> Figures:
    """The figures of all scenes."""
    chart = for_older_servers(CHART, plane.folder.parent / "chart")
    release = Release(plane, chart, "plain")
    began = time.monotonic()
    release.install()
    figures: Figures = {"install_s": time.monotonic() - began}
    figures |= _gateways(release, requests)
    figures |= _told("model_change", scenes.upgraded(release, LONGER))
    figures |= _told("rollback", scenes.rolled_back(release))
    figures |= _told("drain", scenes.drained(release))
    figures |= _told("api_away", scenes.without_api(release, away_s)) | {"api_away_s": away_s}
    during, after = scenes.engine_lost(release)
    figures |= _told("death", during) | _told("after_death", after)
    release.helm("uninstall", NAME)
    return figures | _ray(Release(plane, chart, "ray", Mode.RAY))


def _gateways(release: Release, requests: int) -> Figures:
    """Upgrade after upgrade of the gateways, until so many requests were asked for meanwhile."""
    whole, upgrades = Traffic(), 0
    while whole.answers + whole.streams < requests:
        upgrades += 1
        change = {"gateway": {"podAnnotations": {"upgrade": str(upgrades)}}}
        seen = scenes.upgraded(release, change=change, replaced=("gateway",))
        whole.answers, whole.streams = whole.answers + seen.answers, whole.streams + seen.streams
        whole.failed += seen.failed
    return _told("gateway_upgrade", whole) | {"gateway_upgrades": float(upgrades)}


def _ray(release: Release) -> Figures:
    release.apply(change=scenes.TWICE)
    with scenes.operated(release, HURRY):
        return _told("ray_change", scenes.taken_over(release, "96Gi"))


def _told(scene: str, seen: Traffic) -> Figures:
    print(f"· {scene}: {seen.answers} answers, {seen.streams} streams, {len(seen.failed)} failed", flush=True)
    for cause in seen.failed[:3]:
        print(f"  {cause}", flush=True)
    total = seen.answers + seen.streams + len(seen.failed)
    return {f"{scene}_requests": float(total), f"{scene}_failed": float(len(seen.failed))}


if __name__ == "__main__":
    sys.exit(main())
