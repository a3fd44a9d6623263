"""Replicas in the metrics: as those say who know, and not a number once they are silent."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cluster.supervise.state import Home
from router.accounts.spans import GAP_S
from router.observe.replicas import Replicas, wish_of
from serving.autoscaling import leave_word


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A fleet's directory."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    found = Home(tmp_path)
    with found.held():
        return found


def test_counted_and_wanted(home: Home) -> None:
    """Of the fleet's models, and of no other that a file names; then silence, which is no zero."""
    registry = CollectorRegistry()
    replicas = Replicas(home.root, ["a", "b"], registry)
    replicas.look()
    assert registry.get_sample_value("freehold_replicas", {"model": "a"}) is None
    home.tell_replicas('{"a": 2, "stranger": 7}')
    leave_word("b", 3, "late answers")
    replicas.look()
    assert registry.get_sample_value("freehold_replicas", {"model": "a"}) == 2
    assert registry.get_sample_value("freehold_replicas", {"model": "stranger"}) is None
    assert registry.get_sample_value("freehold_replicas_wanted", {"model": "b"}) == 3
    file = home.root / "run" / "replicas.json"
    long_ago = file.stat().st_mtime - 2 * GAP_S
    os.utime(file, (long_ago, long_ago))
    replicas.look()
    assert math.isnan(registry.get_sample_value("freehold_replicas", {"model": "a"}) or 0)


@pytest.mark.parametrize("word", ["", "{}", "[1"], ids=["empty", "no figures", "cut"])
def test_half_a_word_is_none(home: Home, word: str) -> None:
    """Whatever a file holds."""
    (home.root / "run" / "wish-a.json").write_text(word)
    assert wish_of(home.root, "a") is None
