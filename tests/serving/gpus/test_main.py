"""``python -m serving.gpus`` as a process: the library found by the loader, as a real one is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.ports import free_port
from tests.cluster.gpus.fake import ENV, Script


def started(library: Path, script: Script, *options: str) -> subprocess.Popen[str]:
    """The agent."""
    env = {**os.environ, "LD_LIBRARY_PATH": str(library), ENV: str(script.file)}
    command = [sys.executable, "-m", "serving.gpus", "--every", "0.1", *options]
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


@contextmanager
def agent(library: Path, script: Script, port: int) -> Iterator[str]:
    """The same, listening; ended by SIGTERM, with exit code 0."""
    process = started(library, script, "--port", str(port))
    url = f"http://127.0.0.1:{port}"
    try:
        while not get(url)[0]:
            assert process.poll() is None
            time.sleep(0.02)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 0, errors


def get(url: str) -> tuple[int, str]:
    """Status and text; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()
    except OSError:
        return 0, ""


def test_it_tells_and_notices(library: Path, tmp_path: Path) -> None:
    """Healthy at first; then the page says which GPU is condemned, and why."""
    script = Script(tmp_path / "script")
    with agent(library, script, free_port()) as url:
        assert get(f"{url}/healthz") == (200, "ok")
        assert 'freehold_gpu_utilization_ratio{gpu="0"} 0.5' in get(f"{url}/metrics")[1]
        script.add("event 0 95")
        while get(f"{url}/healthz")[0] == 200:
            time.sleep(0.02)
        assert get(f"{url}/healthz") == (503, "GPU 0 (GPU-0): Xid 95: an uncontained memory error")
        assert get(f"{url}/nothing")[0] == 404


def test_a_driver_that_goes_away_is_told_and_waited_for(library: Path, tmp_path: Path) -> None:
    """As while it is updated: nothing is told as if it were still so, and the next look that works is."""
    script = Script(tmp_path / "script")
    with agent(library, script, free_port()) as url:
        script.add("gpus 0")
        while get(f"{url}/healthz")[0] == 200:
            time.sleep(0.02)
        assert "sees no GPU" in get(f"{url}/healthz")[1]
        assert "freehold_gpu_power_watts" not in get(f"{url}/metrics")[1]
        script.add("gpus 1")
        while get(f"{url}/healthz")[0] != 200:
            time.sleep(0.02)
        assert get(f"{url}/healthz") == (200, "ok")


@pytest.mark.parametrize("script", ["init 12", "init 18", "init 4", "gpus 0"], ids=str)
def test_without_a_gpu_it_says_so_in_one_line(library: Path, tmp_path: Path, script: str) -> None:
    """And ends with the exit code of what failed outside."""
    found = Script(tmp_path / "script")
    found.add(script)
    process = started(library, found, "--port", str(free_port()))
    _, errors = process.communicate()
    assert (process.returncode, errors.count("\n")) == (3, 1)
