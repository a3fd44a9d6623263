"""Logs are found by name, and read from their end."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cluster.errors import UsageError
from cluster.supervise.logs import added_lines, find_log, last_lines
from cluster.supervise.state import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two logs."""
    home = Home(tmp_path)
    home.logs.mkdir()
    (home.logs / "gateway.log").write_text("one\ntwo\nthree\n")
    (home.logs / "qwen2.5.log").write_text("loaded\n")
    return home


def test_a_log_is_found_by_its_model(home: Home) -> None:
    """Names with dots are names too."""
    assert last_lines(find_log(home, "qwen2.5"), 5)[0] == ["loaded"]
    assert last_lines(find_log(home, "gateway"), 2)[0] == ["two", "three"]


@pytest.mark.parametrize("name", ["nope", "../gateway", "", "/etc/passwd"], ids=repr)
def test_an_unknown_log_lists_the_known(home: Home, name: str) -> None:
    """Only names are taken, never paths."""
    with pytest.raises(UsageError, match=r"there are gateway, qwen2.5"):
        find_log(home, name)


def test_following_goes_on_where_the_last_lines_ended(home: Home) -> None:
    """No line is lost between the two, and none comes twice."""
    log = find_log(home, "gateway")
    lines, position = last_lines(log, 1)
    with log.open("a") as more:
        more.write("four\nfive\n")
    assert [*lines, *itertools.islice(added_lines(log, position), 2)] == ["three", "four", "five"]
