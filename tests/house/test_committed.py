"""What is committed works on any machine: it names no developer's directories and no private package index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source import ROOT, committed

PRIVATE = re.compile(
    r"(?<![\w.])(?:file://)?/(?:home|Users|root|work|opt|farm)/\w"  # somebody's own directories
    r"|(?:index)-(?:url)|(?:find)-(?:links)",  # where packages come from is the user's configuration
    re.ASCII,
)


@pytest.mark.parametrize("file", committed(), ids=str)
def test_a_file_names_no_workplace(file: Path) -> None:
    """No path below somebody's home, and no package index but the public ones' addresses."""
    lines = (ROOT / file).read_text(errors="replace").splitlines()
    assert [line for line in lines if PRIVATE.search(line)] == []


def test_the_licence_is_apache_2() -> None:
    """The canonical text."""
    assert "Apache License\n                           Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_documents_name_files_that_exist(name: str) -> None:
    """A link to a file of the repository leads somewhere."""
    text = (ROOT / name).read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (ROOT / link).exists()] == []
