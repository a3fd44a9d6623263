"""What a machine next door can reach: the gateway's port, and nothing else of a fleet."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NAMESPACES = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


def may_have_namespaces() -> bool:
    """Whether this user and kernel may make them."""
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter") or not Path("/sbin/ip").exists():
        return False
    return subprocess.run([*NAMESPACES, "true"], check=False, capture_output=True).returncode == 0


@pytest.mark.skipif(not may_have_namespaces(), reason="needs root, network namespaces and iproute2")
def test_only_the_gateway_answers_the_network(tmp_path: Path) -> None:
    """Engines, HAProxy, Ray and the database listen too, and from another network none of them is there."""
    command = f"/sbin/ip link set lo up && exec {sys.executable} -m tests.e2e.neighbour {tmp_path}/home"
    ran = subprocess.run([*NAMESPACES, "sh", "-c", command], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])
    assert len(told["listening"]) > 5, "a fleet has more ports than one"
    assert told["reachable"] == [told["gateway"]]
