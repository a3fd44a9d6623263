"""Tests are held to rules of their own: each can fail, none waits, and each stands where its subject does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT, Function, functions, python_files, tree

CHECKS = {"check", "run_state_machine_as_test"}
SLEEPS = {"time.sleep", "asyncio.sleep", "anyio.sleep"}
TESTS = [file for file in python_files("tests") if file.name.startswith("test_")]


def cases(file: Path) -> list[Function]:
    """The test functions of a file."""
    return [node for node in functions(file) if node.name.startswith("test_")]


@pytest.mark.parametrize("file", TESTS, ids=str)
def test_a_test_can_fail(file: Path) -> None:
    """It asserts, or expects an error, or hands over to a function of its file, or a check, that does."""
    asserting = {node.name for node in functions(file) if "assert " in ast.unparse(node)}
    for node in cases(file):
        body = ast.unparse(node)
        called = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
        checks = {name for name in called if name.rpartition(".")[2] in CHECKS}
        assert "assert " in body or "pytest.raises" in body or called & asserting or checks, node.name


@pytest.mark.parametrize("file", TESTS, ids=str)
def test_a_test_never_sleeps_nor_mocks(file: Path) -> None:
    """Tests wait for what happens, and talk to real things; a pause between two looks in a loop is no sleep."""
    loops = [node for node in ast.walk(tree(file)) if isinstance(node, ast.While)]
    watching = {id(node) for loop in loops for node in ast.walk(loop)}
    calls = [node for node in ast.walk(tree(file)) if isinstance(node, ast.Call) and id(node) not in watching]
    assert not [call for call in calls if ast.unparse(call.func) in SLEEPS and not _yields(call)]
    imports = [node for node in ast.walk(tree(file)) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in imports if "mock" in ast.unparse(node) or "import sleep" in ast.unparse(node)]


def _yields(call: ast.Call) -> bool:
    """``sleep(0)`` only lets others run."""
    return [ast.unparse(argument) for argument in call.args] == ["0"]


@pytest.mark.parametrize("file", TESTS, ids=str)
def test_a_test_says_what_it_shows(file: Path) -> None:
    """Every test has a docstring."""
    assert not [node.name for node in cases(file) if not ast.get_docstring(node)]


@pytest.mark.parametrize("file", [file for file in TESTS if file.parts[1] in PACKAGES], ids=str)
def test_a_test_stands_where_its_subject_does(file: Path) -> None:
    """``tests/cluster/load`` tests ``cluster/load``."""
    assert ROOT.joinpath(*file.parent.parts[1:]).is_dir()
