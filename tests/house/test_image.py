"""The image's recipe: pinned, without rights, without leftovers, and with what the package needs to be built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

RECIPE = Path("Dockerfile").read_text()
COMMANDS = re.sub(r"\\\n", " ", re.sub(r"(?m)^#.*\n", "", RECIPE)).splitlines()
STAGES = {"gateway", "cpu", "gpu"}
"""Those that are shipped."""


def _stage(name: str) -> list[str]:
    """A stage's instructions."""
    begin = next(i for i, line in enumerate(COMMANDS) if re.fullmatch(rf"FROM \S+ AS {name}", line))
    rest = COMMANDS[begin + 1 :]
    end = next((i for i, line in enumerate(rest) if line.startswith("FROM ")), len(rest))
    return rest[:end]


def test_bases_are_pinned() -> None:
    """A base is an earlier stage, or an image of one exact version."""
    named: set[str] = set()
    for line in COMMANDS:
        if found := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            base, name = found.groups()
            assert base in named or re.search(r":\d+\.\d+\.\d+", base), base
            named.add(name)
    assert named >= STAGES


@pytest.mark.parametrize("name", sorted(STAGES))
def test_shipped_images_run_without_rights(name: str) -> None:
    """The user is a number, so that Kubernetes can tell that it is not root, and nothing runs after it is set."""
    lines = [line for line in _stage(name) if line.strip()]
    users = [i for i, line in enumerate(lines) if line.startswith("USER ")]
    assert lines[users[-1]] == "USER 10001:10001"
    assert not [line for line in lines[users[-1] :] if line.startswith(("RUN", "COPY"))]


def test_nothing_is_fetched_past_the_package_managers() -> None:
    """No ADD of an address, no curl into a shell."""
    assert not [line for line in COMMANDS if line.startswith("ADD ") or re.search(r"curl|wget", line)]


def test_debian_packages_leave_nothing_behind() -> None:
    """No recommended packages, and no lists."""
    lines = [line for line in COMMANDS if "apt-get install" in line]
    assert lines
    for line in lines:
        assert "--no-install-recommends" in line
        assert "rm -rf /var/lib/apt/lists/*" in line


def test_python_packages_come_by_hash() -> None:
    """Whatever is locked is installed by its lock."""
    for line in COMMANDS:
        for lock in re.findall(r"--requirement (\S+\.lock)", line):
            assert "--require-hashes" in line
            assert Path(lock).is_file()


def test_what_is_copied_is_what_is_built() -> None:
    """The context holds every package of the wheel, and nothing else."""
    kept = {line[1:] for line in Path(".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {"cluster", "serving", "router", "loadtests", "fleets"}
    assert packages | {"requirements", "pyproject.toml", "README.md", "LICENSE"} == kept
    assert all(Path(name).exists() for name in kept)
