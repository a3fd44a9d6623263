"""Helm, as a program: the one that HELM names, or that is in PATH. Raises :class:`~cluster.errors.HelmError`.

Values go through a file that only this user may read. Neighbour: :mod:`cluster.kube.deploy.run`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.errors import HelmError

Object = dict[str, Any]
OLDEST = (3, 10)
"""The oldest Helm that the chart is tested with."""
_KEPT = 10
"""Revisions that stay to roll back to."""


@dataclass(frozen=True, slots=True)
class Given:
    """Values of one release, in the order in which later ones win."""

    values: Mapping[str, Any]
    """Made from the fleet file."""
    files: tuple[Path, ...] = ()
    assignments: tuple[str, ...] = ()
    """``--set``'s."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One entry of a release's history."""

    number: int
    status: str
    when: str
    description: str


class Helm:
    """One release's Helm."""

    def __init__(self, release: str, namespace: str, context: str, chart: Path) -> None:
        """Nothing runs yet."""
        self.release, self._chart = release, chart
        self._where = ["--namespace", namespace, *(["--kube-context", context] if context else [])]
        self.place = ["--namespace", namespace, *(["--context", context] if context else [])]
        """Where it is, in the options of Freehold's own commands."""
        found = os.environ.get("HELM") or shutil.which("helm")
        if not found:
            msg = "Helm is missing; install it (https://helm.sh/docs/intro/install), or name it: HELM=/path/to/helm"
            raise HelmError(msg)
        self._program = found

    @property
    def test(self) -> str:
        """The command that asks the release for an answer."""
        return " ".join(["helm", "test", self.release, *self._where])

    def undo(self, before: int) -> str:
        """The command that undoes what came after a revision; 0 for none."""
        if before:
            return " ".join(["freehold", "rollback", "--release", self.release, *self.place, "--to", str(before)])
        return " ".join(["helm", "uninstall", self.release, *self._where])

    def version(self) -> tuple[int, int]:
        """Its version."""
        told = self._run("version", "--template", "{{.Version}}")
        found = re.search(r"v(\d+)\.(\d+)", told)
        if not found:
            msg = f"{self._program} is no Helm: {told[:100]!r}"
            raise HelmError(msg)
        return int(found[1]), int(found[2])

    def template(self, given: Given, kube_version: str, kinds: Iterable[str]) -> tuple[Object, ...]:
        """What would be sent to a cluster of that version which serves those kinds; tests left out."""
        served = [argument for kind in kinds for argument in ("--api-versions", kind)]
        told = self._with(
            given, "template", self.release, str(self._chart), "--skip-tests", "--kube-version", kube_version, *served
        )
        return documents(told)

    def upgrade(self, given: Given) -> None:
        """Install the release, or upgrade it; returns when the objects are there, not when they are ready."""
        chart = str(self._chart)
        self._with(given, "upgrade", "--install", self.release, chart, "--skip-crds", "--history-max", str(_KEPT))

    def manifest(self, revision: int = 0) -> tuple[Object, ...] | None:
        """What was sent last, or with a revision; None where there is no such release."""
        which = ["--revision", str(revision)] if revision else []
        try:
            return documents(self._run("get", "manifest", self.release, *which))
        except HelmError as exc:
            if "not found" in str(exc):
                return None
            raise

    def history(self) -> tuple[Revision, ...]:
        """All revisions, the oldest first; none where there is no release."""
        try:
            told = json.loads(self._run("history", self.release, "--output", "json"))
        except HelmError as exc:
            if "not found" in str(exc):
                return ()
            raise
        return tuple(Revision(one["revision"], one["status"], one["updated"], one["description"]) for one in told)

    def rollback(self, to: int) -> None:
        """Send an earlier revision's objects again."""
        self._run("rollback", self.release, str(to), "--history-max", str(_KEPT))

    def _with(self, given: Given, *arguments: str) -> str:
        with tempfile.TemporaryDirectory(prefix="freehold-") as folder:
            file = Path(folder, "values.json")
            file.write_text(json.dumps(given.values), encoding="utf-8")
            files = [argument for name in (file, *given.files) for argument in ("--values", str(name))]
            assigned = [argument for one in given.assignments for argument in ("--set", one)]
            return self._run(*arguments, *files, *assigned)

    def _run(self, *arguments: str) -> str:
        command = [self._program, *arguments, *(self._where if arguments[0] != "version" else [])]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as exc:
            msg = f"{self._program} cannot be run: {exc}"
            raise HelmError(msg) from exc
        if done.returncode:
            told = [line for line in done.stderr.strip().splitlines() if not line.startswith(("WARNING", "coalesce"))]
            msg = f"helm {arguments[0]}: {' '.join(told) or f'exit code {done.returncode}'}"
            raise HelmError(msg.replace("Error: ", ""))
        return done.stdout


def documents(text: str) -> tuple[Object, ...]:
    """Objects of a manifest."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return tuple(item for item in yaml.load_all(text, Loader=loader) if item)
