"""Rooms stay small enough to be read, and nothing swallows every error."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.house.source import PACKAGES, ROOT, functions, python_files, tree

MODULE_LINES = 300
FUNCTION_LINES = 50

SOURCE = python_files(*PACKAGES)


@pytest.mark.parametrize("file", SOURCE, ids=str)
def test_a_module_fits_on_a_few_screens(file: Path) -> None:
    """About 100 lines, never over 300; a function never over 50."""
    assert len((ROOT / file).read_text().splitlines()) <= MODULE_LINES
    long = [node.name for node in functions(file) if (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES]
    assert not long


@pytest.mark.parametrize("file", SOURCE, ids=str)
def test_no_error_is_swallowed_unseen(file: Path) -> None:
    """No bare except and no except Exception: an error that nobody expected must be seen."""
    handlers = [node for node in ast.walk(tree(file)) if isinstance(node, ast.ExceptHandler)]
    caught = [ast.unparse(node.type) if node.type else "everything" for node in handlers]
    assert not {"everything", "Exception", "BaseException"} & set(caught)


@pytest.mark.parametrize("file", SOURCE, ids=str)
def test_a_module_says_what_it_is_for(file: Path) -> None:
    """Every module begins with a docstring."""
    assert ast.get_docstring(tree(file))


EMPTY_NAMES = ("Manager", "Handler", "Util", "Helper", "Common", "Base")


@pytest.mark.parametrize("file", SOURCE, ids=str)
def test_a_class_is_named_for_one_thing(file: Path) -> None:
    """No class ends in a word that could name anything."""
    classes = [node.name for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef)]
    assert not [name for name in classes if name.endswith(EMPTY_NAMES)]
