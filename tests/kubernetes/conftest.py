"""One control plane for all tests of this folder, which run in one worker; each release has a namespace of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kube.rendered import CHART, helm
from tests.kubernetes.bench import Bench, bench, interpreter, script
from tests.kubernetes.release import for_older_servers


@pytest.fixture(scope="session")
def cluster() -> Iterator[Bench]:
    """A control plane with nodes that run pods."""
    found, python = script(), interpreter()
    if found is None:
        pytest.skip("data: no script for a Kubernetes control plane (name it: FREEHOLD_K8S_BENCH=/path/to/bench.py)")
    if helm() is None or os.geteuid() != 0 or not shutil.which("nsenter"):
        pytest.skip("Helm, root and nsenter are needed for pods")
    if python is None:
        pytest.skip("data: no Python of this version that another user may run")
    with bench(found, python) as plane:
        yield plane


@pytest.fixture(scope="session")
def chart(cluster: Bench) -> Path:
    """The chart for the plane's API server, which is older than the chart allows."""
    return for_older_servers(CHART, cluster.folder.parent / "chart")
