"""The direction of imports, and how light the base install stays."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT, python_files

LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))
HEAVY = ("ray", "vllm", "torch", "transformers", "numpy", "pyarrow")


def test_layers_hold() -> None:
    """import-linter's contracts in pyproject.toml are kept."""
    linted = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("module", ["cluster.cli", "router.app"])
def test_planner_and_router_stay_light(module: str) -> None:
    """``pip install .`` must do without engines, so nothing of theirs is imported."""
    program = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


PACKAGE_FILES = [file for file in python_files(*PACKAGES) if file.name == "__init__.py"]


@pytest.mark.parametrize("file", [file for file in PACKAGE_FILES if file.parts[0] != "serving"], ids=str)
def test_what_a_package_exports_is_there(file: Path) -> None:
    """Every name in ``__all__`` can be imported, each once and in order."""
    package = importlib.import_module(".".join(file.parent.parts))
    exported: list[str] = getattr(package, "__all__", [])
    assert [name for name in exported if not hasattr(package, name)] == []
    assert exported == sorted(set(exported), key=lambda name: (not name.isupper(), name))
