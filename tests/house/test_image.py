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


def _locked(name: str) -> dict[str, str]:
    """Package → version, as a lock has them."""
    return dict(re.findall(r"(?m)^([\w.-]+)==([^ ;\\]+)", Path("requirements", name).read_text()))


def test_what_is_installed_by_hand_is_the_locked_version() -> None:
    """What no lock installs into an image is still what the tests ran with."""
    locked = _locked("cpu.lock")
    named = [found for line in COMMANDS for found in re.findall(r"([\w-]+)(?:\[[\w,]+\])?==([\d.]+)", line)]
    assert {name for name, _ in named} == {"hatchling", "ray"}
    assert all(locked[name] == version for name, version in named)
    installs = [line for line in COMMANDS if "pip install" in line]
    assert not [line for line in installs if re.search(r"install [^&]*[\w\]]\s*(>=|~=|\s)\s*\d", line)]


@pytest.mark.parametrize("lock", ["base.lock", "loadtest.lock"])
def test_an_images_packages_are_those_that_tests_run_with(lock: str) -> None:
    """Its lock is the smaller one; CI installs the larger, so they agree, but on numpy, which vLLM holds back."""
    both, image = _locked("cpu.lock"), _locked(lock)
    assert len(image) > 30
    assert {name for name, version in image.items() if both.get(name) != version} <= {"numpy"}


def test_only_load_tests_bring_their_tools() -> None:
    """What generates load, and what that needs, is not on a machine that answers requests."""
    added = _locked("loadtest.lock").keys() - _locked("base.lock").keys()
    assert {"locust", "flask", "pytest"} <= added


def test_the_cpu_image_is_made_as_the_environment_is() -> None:
    """The same steps as `requirements/setup.sh`, which CI runs, with the same options."""
    steps = Path("requirements/setup.sh").read_text()
    recipe = " ".join(_stage("heavy-cpu"))
    for step in (
        "--requirement requirements/torch.txt",
        "--require-hashes --requirement requirements/cpu.lock",
        "--no-build-isolation",
    ):
        assert step in steps
        assert f"pip install --no-deps {step}" in recipe


@pytest.mark.parametrize("name", sorted(STAGES))
def test_commands_are_lists(name: str) -> None:
    """Without a shell in between, signals reach the program, and words stay words."""
    lines = [line.split(maxsplit=1) for line in _stage(name) if line.startswith(("CMD ", "ENTRYPOINT "))]
    assert {word for word, _ in lines} == {"CMD", "ENTRYPOINT"}
    assert all(arguments.startswith("[") for _, arguments in lines)


def test_folders_are_changed_by_instruction() -> None:
    """`cd`, `sudo` and pipes whose failure nobody sees are what linters of Dockerfiles look for first."""
    runs = [line for line in COMMANDS if line.startswith("RUN ")]
    assert len(runs) >= 5
    assert not [line for line in runs if re.search(r"\bcd\b|\bsudo\b| \| |apt-get upgrade|chmod 777", line)]
