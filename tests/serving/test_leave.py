"""A worker's pod ends: Ray is told first, replicas are waited for, then Ray is stopped; in processes of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.lab.isolation import isolated

RAY = """#!/bin/sh
echo "$1 $(pgrep -c -f '^ray::Serve[R]eplica:mine')" >> {log}
test "$1" = stop || {drains}
"""
FAILS, MOVES = "exit 1", "kill $REPLICA"
START = """
(exec -a ray::ServeReplica:mine sleep 60) & export REPLICA=$!
while ! pgrep -f '^ray::Serve[R]eplica:mine' >&2; do :; done
exec {leave}
"""


@pytest.mark.parametrize(
    ("drains", "left"),
    [pytest.param(MOVES, 0, id="they move"), pytest.param(FAILS, 1, id="Ray cannot")],
)
def test_ray_is_stopped_when_replicas_have_gone(tmp_path: Path, drains: str, left: int) -> None:
    """And at once where Ray does not drain, for nobody would come to an end then."""
    log = tmp_path / "log"
    program = tmp_path / "ray"
    program.write_text(RAY.format(log=log, drains=drains))
    program.chmod(0o755)
    command = isolated(["bash", "-c", START.format(leave=f"{sys.executable} -m serving.leave --seconds=30")])
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(command, env=os.environ | path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert log.read_text().splitlines() == ["drain-node 1", f"stop {left}"]
