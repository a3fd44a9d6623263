"""The repository as text and as syntax trees, for the tests of the house rules."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

PACKAGES = ("cluster", "serving", "router", "loadtests")
ROOT = Path(__file__).parents[2]


@cache
def committed() -> tuple[Path, ...]:
    """Every file that git knows and that is there, relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S607
    names = [Path(name) for name in listed.decode().split("\0") if name]
    return tuple(name for name in names if (ROOT / name).is_file())


def python_files(*tops: str) -> list[Path]:
    """The committed Python files below some top-level directories."""
    return [file for file in committed() if file.suffix == ".py" and file.parts[0] in tops]


@cache
def tree(file: Path) -> ast.Module:
    """A file's syntax."""
    return ast.parse((ROOT / file).read_text(), str(file))


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(file: Path) -> list[Function]:
    """Every function and method of a file."""
    return [node for node in ast.walk(tree(file)) if isinstance(node, Function)]
