"""A router on disk: whole or refused; promoted and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.errors import UsageError
from router.learn.artefact import Shelf, load
from router.learn.train import score, train
from tests.router.learn.prompts import labels

FRESH = labels(20, seed=9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained router."""
    made = tmp_path_factory.mktemp("router")
    train(labels(300), {}, 0, made)
    return made


def copied(folder: Path, to: Path) -> Path:
    """The same in another place."""
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_what_is_read_again_scores_alike(folder: Path, tmp_path: Path) -> None:
    """To the last bit."""
    trained = train(labels(300), {}, 0, tmp_path)
    assert score(load(folder), FRESH, {}).tolist() == score(trained, FRESH, {}).tolist()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.npz", b"damaged", "is not what card.json describes"),
        ("card.json", b"{", "not a trained router"),
        ("card.json", b"{}", "not a trained router"),
        ("card.json", b'{"format": 99}', "a model of format 99"),
    ],
    ids=["model", "card", "empty-card", "format"],
)
def test_a_damaged_router_is_refused(folder: Path, tmp_path: Path, name: str, content: bytes, told: str) -> None:
    """Rather than asked."""
    damaged = copied(folder, tmp_path / "damaged")
    (damaged / name).write_bytes(content)
    with pytest.raises(UsageError, match=told):
        load(damaged)


def test_nothing_in_a_router_runs(folder: Path) -> None:
    """Arrays of numbers and a card; no pickle."""
    assert sorted(file.name for file in folder.iterdir()) == ["card.json", "model.npz"]
    assert b"numpy.core.multiarray" not in (folder / "model.npz").read_bytes()
    assert {"version", "sha256", "labels_sha256", "claims", "held_out"} <= json.loads(
        (folder / "card.json").read_text()
    ).keys()


def test_promotions_are_taken_back_one_by_one(folder: Path, tmp_path: Path) -> None:
    """The one before is in use again, and at last none."""
    train(labels(300, seed=5), {}, 0, tmp_path / "second")
    shelf = Shelf(tmp_path / "home")
    assert shelf.current() is None
    first, second = shelf.promote(folder).version, shelf.promote(tmp_path / "second").version
    assert shelf.versions == [first, second]
    assert shelf.rollback() == first
    current = shelf.current()
    assert current is not None
    assert current.version == first
    assert shelf.rollback() is None
    with pytest.raises(UsageError, match="nothing was promoted"):
        shelf.rollback()
