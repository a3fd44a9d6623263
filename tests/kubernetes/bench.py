"""A real Kubernetes control plane for tests, and pods that run as processes of another user, from this checkout.

The plane is started by a script that is not part of the repository: ``FREEHOLD_K8S_BENCH`` names it, or it lies beside
the checkout. Pods see the host's files but neither ``/tmp`` nor what only this user may read, so the image is a folder
of its own with a copy of the packages.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, PackagePath, distribution
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SERVERS = ROOT / "build" / "kubernetes"
"""Where the servers are unpacked, once; half a gigabyte."""
IMAGE = "ghcr.io/freehold/freehold"
_PACKAGES = ("cluster", "router", "serving", "fleets")
_READY = "minikubelet ready"
_BRIDGE = "02:00:0a:f4:00:01"
"""By itself a bridge has its ports' lowest address. A pod that comes or goes would change it, and what other pods send
to the old one would be lost for half a minute."""


def script() -> Path | None:
    """The script, where there is one."""
    given = os.environ.get("FREEHOLD_K8S_BENCH")
    file = Path(given) if given else ROOT.parent / "shared" / "k8s" / "bench.py"
    return file if file.is_file() else None


def interpreter() -> Path | None:
    """A Python of this version that other users may run."""
    name = f"python3.{sys.version_info.minor}"
    for found in (Path(sys.executable).resolve(), Path("/usr/bin", name), Path("/usr/local/bin", name)):
        if found.exists() and all(parent.stat().st_mode & stat.S_IXOTH for parent in (found, *found.parents)):
            return found
    return None


@dataclass(frozen=True, slots=True)
class Bench:
    """A control plane that runs."""

    command: tuple[str, ...]
    folder: Path

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run something where the API server and the pods are reached."""
        whole = [*self.command, "exec", "--dir", str(self.folder), "--", *command]
        done = subprocess.run(whole, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr + done.stdout
        return done

    def start_fed(self, *command: str) -> subprocess.Popen[str]:
        """The same without waiting, until its standard input ends."""
        whole = [*self.command, "exec", "--dir", str(self.folder), "--", *command]
        return subprocess.Popen(whole, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def get(self, *what: str) -> Any:  # noqa: ANN401 - any object of Kubernetes
        """``kubectl get … -o json``."""
        return json.loads(self.run("kubectl", "get", *what, "-o", "json").stdout)


@contextmanager
def bench(script: Path, python: Path) -> Iterator[Bench]:
    """A plane with nodes that run pods of our image; nothing of it is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="fh-k8s-", dir="/var/tmp") as name:
        folder = Path(name)
        plane = Bench((sys.executable, str(script)), folder / "plane")
        _image(folder / "image", python)
        path = f"{folder / 'image'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        where = ["--dir", str(plane.folder)]
        servers = {"KUBEBUILDER_ASSETS": os.environ.get("KUBEBUILDER_ASSETS", str(SERVERS))}
        subprocess.run([*plane.command, "up", *where], env=os.environ | servers, check=True, capture_output=True)
        images = json.dumps({IMAGE: []})
        agent = subprocess.Popen(
            [*plane.command, "kubelet", *where, "--images", images],
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            plane.run("ip", "link", "set", "dev", "cbr0", "address", _BRIDGE)
            assert agent.stdout is not None
            assert _READY in agent.stdout.readline()
            yield plane
        finally:
            subprocess.run([*plane.command, "down", *where], check=True, capture_output=True)
            agent.terminate()
            agent.communicate()


def _image(folder: Path, python: Path) -> None:
    """What would be in the image: the packages, their libraries, and ``python`` as pods name it."""
    folder.mkdir()
    folder.parent.chmod(0o755)
    for name in _PACKAGES:
        shutil.copytree(ROOT / name, folder / "code" / name)
    _libraries(folder / "libraries")
    entry = folder / "python"
    entry.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/code:{folder}/libraries exec {python} -P "$@"\n')
    entry.chmod(0o755)
    for item in (folder, *folder.rglob("*")):
        item.chmod(item.stat().st_mode | 0o444 | (0o111 if item.is_dir() else 0))


def _libraries(folder: Path) -> None:
    """What the image's lock names, as it is installed here."""
    for name in re.findall(r"(?m)^([\w.-]+)==", (ROOT / "requirements" / "base.lock").read_text()):
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue  # for another platform
        for file in (*files, *map(_compiled, files)):  # nobody could keep what a pod compiles
            if ".." not in file.parts and Path(file.locate()).exists():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file.locate(), folder / file)


def _compiled(file: PackagePath) -> PackagePath:
    found = PackagePath(cache_from_source(str(file)) if file.suffix == ".py" else file)
    found.dist = file.dist
    return found
